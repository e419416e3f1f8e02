// What is kept, part by part: what is said here, what applies, and whose rule that is.
import { useState } from "preact/hooks";

import { AGE, partsOf, problemOf, textOf } from "../data/retention.ts";
import type { Parts } from "../data/retention.ts";
import type { RetentionRules } from "../data/types.ts";
import { reason } from "../hooks.ts";
import { Notice } from "../parts.tsx";

type Rules = RetentionRules["rules"];
type Rule = keyof Rules;

export const ENDS: Rule[] = ["completed", "failed", "timed_out", "lost", "cancelled", "skipped"];

const NAMES: Record<string, string> = {
  [AGE]: "How long",
  completed: "… completed ones",
  failed: "… failed ones",
  timed_out: "… timed out ones",
  lost: "… lost ones",
  cancelled: "… cancelled ones",
  skipped: "… skipped ones",
  executions: "How many, the newest",
  bytes: "Bytes of all logs",
  log_records: "Records of one log",
  log_bytes: "Bytes of one log",
};
const EXAMPLES: Record<string, string> = { executions: "10000", bytes: "100G", log_records: "1000000", log_bytes: "1G" };

const isAge = (part: string): boolean => !(part in EXAMPLES);

function said(part: string, value: string): string {
  if (value !== "0") return value;
  return isAge(part) ? "for ever" : "no limit";
}

/** What applies to a part, as the rules have it; ages that differ are told one by one. */
function applies(rules: Rules, part: string): string {
  if (part !== AGE) {
    const rule = rules[part as Rule];
    return `${said(part, rule.value)}, as the ${rule.from} says`;
  }
  const whose = new Map<string, Rule[]>();
  for (const end of ENDS) {
    const text = `${said(AGE, rules[end].value)}, as the ${rules[end].from} says`;
    whose.set(text, [...(whose.get(text) ?? []), end]);
  }
  if (whose.size === 1) return [...whose.keys()][0]!;
  return [...whose].map(([text, ends]) => `${ends.map((end) => end.replace("_", " ")).join(", ")}: ${text}`).join("; ");
}

/**
 * `own`: what is said here, as a text; `rules`: what applies, of a workflow where it says nothing. Without `save` it cannot be
 * changed. `save` is given null where nothing is said any more.
 */
export function RetentionForm(props: {
  parts: string[];
  own: string | null;
  rules: Rules;
  whose: string;
  save?: (text: string | null) => Promise<unknown>;
}) {
  const { parts, own, rules, whose, save } = props;
  const [values, setValues] = useState<Parts>(() => partsOf(own));
  const [tried, setTried] = useState(false);
  const [told, setTold] = useState<{ error: string } | { saved: string }>();
  const known = partsOf(own);
  const problems = tried ? parts.map((part) => problemOf(part, values[part] ?? "")) : [];
  const set = (part: string, value: string): void => {
    setTold(undefined);
    setValues({ ...values, [part]: value.trim() });
  };
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    setTried(true);
    setTold(undefined);
    if (!save || parts.some((part) => problemOf(part, values[part] ?? ""))) return;
    try {
      const text = textOf(Object.fromEntries(parts.map((part) => [part, values[part] ?? ""])));
      await save(text || null);
      setTold({ saved: text || "nothing of its own" });
    } catch (failed) {
      setTold({ error: reason(failed) });
    }
  };
  return (
    <form aria-label="Retention" noValidate onSubmit={(event) => void submit(event as unknown as SubmitEvent)}>
      <table class="retention">
        <thead>
          <tr>
            <th scope="col">Kept</th>
            <th scope="col">As {whose} says</th>
            <th scope="col">What applies</th>
          </tr>
        </thead>
        <tbody>
          {parts.map((part, i) => {
            const id = `retention-${part}`;
            return (
              <tr key={part}>
                <th scope="row">
                  <label for={id}>{NAMES[part]}</label>
                </th>
                <td>
                  <input
                    id={id}
                    name={part}
                    size={12}
                    autocomplete="off"
                    disabled={!save}
                    value={values[part] ?? ""}
                    placeholder={EXAMPLES[part] ?? "30d"}
                    aria-invalid={problems[i] !== undefined}
                    aria-describedby={problems[i] ? `${id}-problem` : undefined}
                    onInput={(event) => set(part, event.currentTarget.value)}
                  />
                  {problems[i] && (
                    <div class="bad" id={`${id}-problem`} role="alert">
                      {problems[i]}
                    </div>
                  )}
                </td>
                <td class="dim">
                  {whose === "the workflow" && known[part] !== undefined ? `${said(part, known[part]!)}, as the workflow says` : applies(rules, part)}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {save && <button type="submit">Save</button>}
      {told && "error" in told && <Notice>{told.error}</Notice>}
      {told && "saved" in told && (
        <p class="notice good" role="status">
          Saved: {told.saved}
        </p>
      )}
    </form>
  );
}
