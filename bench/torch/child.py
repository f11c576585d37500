"""Every piece of work in PyTorch, as its tutorials write it, and GEM as Avalanche's GEMPlugin does it: one backward pass for each
memory, the quadratic programme in NumPy's float64. The requests and answers are those of src/child.ts.

    python3 child.py serve        python3 child.py startup
"""

import json
import os
import resource
import signal
import sys
import time

START, START_CPU = time.perf_counter(), time.process_time()

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
SIZES = [784, 100, 100, 10]


def network(inputs):
    model = torch.nn.Sequential(
        torch.nn.Linear(SIZES[0], SIZES[1]),
        torch.nn.ReLU(),
        torch.nn.Linear(SIZES[1], SIZES[2]),
        torch.nn.ReLU(),
        torch.nn.Linear(SIZES[2], SIZES[3]),
    )
    with torch.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(inputs[f"w{i}"])
    return model


class Pure:
    """A piece without a state."""

    def __init__(self, run):
        self.run = run

    def check(self):
        result = self.run()
        return list(result) if isinstance(result, tuple) else [result]


def gemm(inputs, params):
    a, b = inputs["a"], inputs["b"]
    return Pure(lambda: a @ b)


def add(inputs, params):
    a, b = inputs["a"], inputs["b"]
    return Pure(lambda: a + b)


def total(inputs, params):
    a = inputs["a"]
    return Pure(lambda: a.sum())


class Sgd:
    def __init__(self, inputs, params):
        self.p = torch.nn.Parameter(inputs["a"].clone())
        self.p.grad = inputs["b"]
        self.run = torch.optim.SGD([self.p], lr=params["lr"]).step

    def check(self):
        self.run()
        return [self.p.detach()]


def cross_entropy(inputs, params):
    x, y = inputs["scores"].requires_grad_(), inputs["targets"].long()

    def run():
        x.grad = None
        loss = F.cross_entropy(x, y)
        loss.backward()
        return loss.detach(), x.grad

    return Pure(run)


def gram(inputs, params):
    g = inputs["g"]

    def run():
        wide = g.double()
        return wide @ wide.T

    return Pure(run)


class Step:
    def __init__(self, inputs, params):
        self.model = network(inputs)
        self.x, self.y = inputs["x"], inputs["y"].long()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=params["lr"])

    def run(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(self.model(self.x), self.y)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def check(self):
        losses = [self.run() for _ in range(3)]
        return [torch.tensor(losses)] + [p.detach() for p in self.model.parameters()]


def flat_gradient(model):
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def memory_gradients(model, memories):
    """G [t, p]: the gradient of the loss on each memory, one pass after another."""
    rows = []
    for x, y in memories:
        model.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), y).backward()
        rows.append(flat_gradient(model))
    return torch.stack(rows)


def memory(inputs, params):
    model = network(inputs)
    memories = list(zip(inputs["x"], inputs["y"].long()))
    return Pure(lambda: memory_gradients(model, memories))


def nonnegative_minimum(P, q):
    """min 1/2 v'Pv + q'v s.t. v >= 0, P positive semidefinite: Lawson & Hanson's active-set method (1974) on the normal equations."""
    n = len(q)
    v = np.zeros(n)
    free = np.zeros(n, dtype=bool)
    scale = np.abs(q).max()
    for _ in range(10 * n):
        slope = P @ v + q
        slope[free] = 0
        j = slope.argmin()
        if slope[j] >= -1e-12 * scale:
            break
        free[j] = True
        while True:
            index = np.flatnonzero(free)
            s = np.zeros(n)
            s[index] = np.linalg.lstsq(P[np.ix_(index, index)], -q[index], rcond=None)[0]
            bad = index[s[index] <= 0]
            if len(bad) == 0:
                v = s
                break
            ratios = v[bad] / (v[bad] - s[bad])
            v = v + ratios.min() * (s - v)
            free[bad[ratios <= ratios.min()]] = False
            v[~free] = 0
    return v


class Gem:
    """The paper's algorithm with its 'exact' reading: a ring of the newest samples of each task, the strength added to v."""

    def __init__(self, inputs, params):
        self.model = network(inputs)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=params["lr"])
        self.inputs = {name: x for name, x in inputs.items() if name[0] != "w"}
        self.y = inputs["y"].long()
        self.batch, self.size, self.strength = params["batch"], params["memories"], params["memoryStrength"]
        self.memories = []
        self.task = 0

    def project(self, G, g):
        """The nearest z with <z, g_k> >= 0, as Avalanche's solve_quadprog: everything in float64 on the host."""
        rows, gradient = G.double().numpy(), g.double().numpy()
        v = nonnegative_minimum(rows @ rows.T, rows @ gradient) + self.strength
        return torch.from_numpy(v @ rows + gradient).float()

    def step(self, x, y):
        G = memory_gradients(self.model, self.memories) if self.memories else None
        self.optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(self.model(x), y).backward()
        if G is not None:
            g = flat_gradient(self.model)
            if (G @ g < 0).any():
                z = self.project(G, g)
                at = 0
                for p in self.model.parameters():
                    p.grad.copy_(z[at : at + p.numel()].view_as(p))
                    at += p.numel()
        self.optimizer.step()

    def run(self):
        x, y = self.inputs["x"][self.task], self.y[self.task]
        for i in range(0, len(x), self.batch):
            self.step(x[i : i + self.batch], y[i : i + self.batch])
        # Nothing asks for the ring of the current task before it ends: it holds the newest samples then.
        self.memories.append((x[-self.size :].clone(), y[-self.size :].clone()))
        self.task += 1

    @torch.no_grad()
    def check(self):
        test, labels = self.inputs["testX"], self.inputs["testY"].long()
        right = [
            (self.model(test[:, order.long()]).argmax(1) == labels).float().mean() for order in self.inputs["permutations"]
        ]
        return [torch.stack(right)]


PIECES = {
    "gemm": gemm,
    "add": add,
    "sgd": Sgd,
    "sum": total,
    "cross-entropy": cross_entropy,
    "gram": gram,
    "step": Step,
    "memory": memory,
    "gem": Gem,
}


def about():
    found = {"torch": torch.__version__, "numpy": np.__version__, "python": sys.version.split()[0]}
    found["threads"] = str(torch.get_num_threads())
    found["vectors"] = next((line.split(": ")[1] for line in torch.__config__.show().splitlines() if "CPU capability" in line), "?")
    found["blas"] = blas()
    return found


def blas():
    """What multiplies matrices: MKL, OpenBLAS and the kernel that it chose, or the library under another name."""
    import ctypes

    if torch.backends.mkl.is_available():
        return "MKL"
    try:
        with open("/proc/self/maps") as maps:
            paths = {line.split()[-1] for line in maps if "blas" in line.split()[-1]}
    except OSError:
        return "unknown"
    for path in sorted(paths):
        try:
            library = ctypes.CDLL(path)
            library.openblas_get_corename.restype = ctypes.c_char_p
            return f"OpenBLAS, kernel {library.openblas_get_corename().decode()}"
        except (OSError, AttributeError):
            continue
    return f"{', '.join(sorted(os.path.basename(p) for p in paths)) or 'unknown'}, not OpenBLAS"


def read_array(entry):
    return torch.from_numpy(np.fromfile(entry["file"], dtype=entry["dtype"]).reshape(entry["shape"]))


def write_array(path, tensor):
    array = tensor.numpy()
    array.tofile(path)
    return {"file": path, "shape": list(array.shape), "dtype": str(array.dtype)}


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def milliseconds(piece, calls):
    """What passed, and what this process ran."""
    start, before = time.perf_counter(), time.process_time()
    for _ in range(calls):
        piece.run()
    return {"wall": 1000 * (time.perf_counter() - start), "cpu": 1000 * (time.process_time() - before)}


def serve():
    piece = None
    for line in sys.stdin:
        request = json.loads(line)
        do = request["do"]
        try:
            if do == "about":
                reply = {"about": about(), "kinds": list(PIECES)}
            elif do == "memory":
                peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                reply = {"bytes": resident() if os.path.exists("/proc/self/statm") else peak, "peak": peak}
            elif do == "open":
                piece = None
                inputs = {name: read_array(entry) for name, entry in request["inputs"].items()}
                piece = PIECES[request["kind"]](inputs, request["params"])
                reply = {}
            elif do == "time":
                reply = milliseconds(piece, request["calls"])
            else:
                results = piece.check()
                reply = {"results": [write_array(f"{request['folder']}/{os.getpid()}-{i}", r) for i, r in enumerate(results)]}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


def startup():
    shapes = [[100, 784], [100], [100, 100], [100], [10, 100], [10]]
    inputs = {f"w{i}": 0.1 * torch.sin(torch.arange(float(np.prod(s)))).reshape(s) for i, s in enumerate(shapes)}
    inputs |= {"x": torch.sin(torch.arange(7840.0)).reshape(10, 784), "y": torch.arange(10)}
    milliseconds(Step(inputs, {"lr": 0.01}), 1)
    wall, cpu = 1000 * (time.perf_counter() - START), 1000 * (time.process_time() - START_CPU)
    print(json.dumps({"wall": wall, "cpu": cpu, "processCpu": 1000 * time.process_time()}))


# Ctrl-C reaches every process of the terminal; this one ends when its stdin does.
signal.signal(signal.SIGINT, signal.SIG_IGN)
startup() if sys.argv[1] == "startup" else serve()
