/** A data file that is missing, or is not what its authors published. */
export class DataFileError extends Error {
  override readonly name = 'DataFileError';
  readonly path: string;

  constructor(path: string, message: string, options?: ErrorOptions) {
    super(`${path} ${message}`, options);
    this.path = path;
  }
}
