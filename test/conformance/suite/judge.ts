/** Runs rules against a target, one after the other, and says of each: passed, failed or skipped, and why. */
import { NotApplicable, type Profile, type Rule, Violation } from "./rule.ts";
import type { Exchange, Target } from "./target.ts";

export type Verdict =
  | { readonly outcome: "pass"; readonly rule: Rule }
  | { readonly outcome: "skip"; readonly rule: Rule; readonly reason: string }
  | { readonly outcome: "fail"; readonly rule: Rule; readonly reason: string; readonly last: Exchange | undefined };

export interface Scope {
  readonly profile: Profile;
  /** Extensions that the target advertises, or that the caller says it has. */
  readonly extensions: ReadonlySet<string>;
}

async function judge(rule: Rule, target: Target, scope: Scope): Promise<Verdict> {
  if (rule.extension !== undefined && !scope.extensions.has(rule.extension)) {
    return { outcome: "skip", rule, reason: `GET /v2 does not advertise ${rule.extension}` };
  }
  target.forget();
  try {
    await rule.check(target);
    return { outcome: "pass", rule };
  } catch (error) {
    if (error instanceof NotApplicable) return { outcome: "skip", rule, reason: error.message };
    const text = error instanceof Error ? error.message || error.name : String(error);
    const reason = error instanceof Violation ? text : `no answer: ${text}`;
    return { outcome: "fail", rule, reason, last: target.said.at(-1) };
  }
}

/** Judges the rules of the profile, telling each verdict as it falls. */
export async function judgeAll(
  rules: readonly Rule[],
  target: Target,
  scope: Scope,
  tell: (verdict: Verdict) => void,
): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const rule of rules) {
    if (rule.profile !== undefined && rule.profile !== scope.profile) continue;
    const verdict = await judge(rule, target, scope);
    verdicts.push(verdict);
    tell(verdict);
  }
  return verdicts;
}
