export async function bench(args: string[]): Promise<number> {
  return args.length;
}
