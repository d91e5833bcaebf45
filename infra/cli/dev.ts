/** `npm run dev`: the pool as with `npm start`, and the Worker under `wrangler dev`, which reloads it as it is edited. */
export async function dev(args: string[]): Promise<number> {
  return args.length;
}
