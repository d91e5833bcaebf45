/** Why a command could not be done although it was given rightly; each class is an exit code. */

/** The server understood and said no. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly exitCode = 1;
  readonly code: string;
  readonly requestId: string | undefined;
  /** What can be done about it. */
  readonly advice: string | undefined;

  constructor(message: string, code: string, requestId: string | undefined, advice: string | undefined) {
    super(message);
    this.code = code;
    this.requestId = requestId;
    this.advice = advice;
  }
}

/** No answer came, or none that Warmgate gives. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
  readonly exitCode = 3;
}

/** What is printed of it. @param command as it was typed, without `warmgate` */
export function failureText(command: string, error: Refused | Unreachable): string {
  if (error instanceof Unreachable) return `warmgate ${command}: ${error.message}`;
  const { message, code, requestId, advice } = error;
  return [
    `warmgate ${command}: ${message} (${code})`,
    ...(advice === undefined ? [] : [advice]),
    ...(requestId === undefined ? [] : [`Request id: ${requestId}`]),
  ].join("\n");
}
