export async function conformance(args: string[]): Promise<number> {
  return args.length;
}
