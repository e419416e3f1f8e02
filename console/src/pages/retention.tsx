// What is kept of an account's executions. Operators change it, of each account.
import { ApiError, call, get, query } from "../data/api.ts";
import { AGE } from "../data/retention.ts";
import type { Account, RetentionRules } from "../data/types.ts";
import { useLoaded, useTitle } from "../hooks.ts";
import { Notice } from "../parts.tsx";
import { go } from "../router.ts";
import { ENDS, RetentionForm } from "./retention_form.tsx";

const PARTS = [AGE, ...ENDS, "executions", "bytes", "log_records", "log_bytes"];
const ACCOUNTS_SHOWN = 1000;

/** None for who may not look after accounts. */
async function accountsFor(signal: AbortSignal): Promise<Account[]> {
  try {
    return (await get<{ accounts: Account[] }>(`/api/v1/accounts${query({ limit: ACCOUNTS_SHOWN })}`, signal)).accounts;
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return [];
    throw error;
  }
}

export default function Retention({ address }: { address: URL }) {
  const named = address.searchParams.get("account") ?? "";
  const path = `/api/v1/retention${query({ account: named })}`;
  const { value, error, again } = useLoaded(path, (signal) => get<RetentionRules>(path, signal));
  const accounts = useLoaded("/api/v1/accounts", accountsFor);
  useTitle("Retention");
  const may = (accounts.value?.length ?? 0) > 0;
  const save = (text: string | null): Promise<unknown> =>
    call("PATCH", `/api/v1/accounts/${encodeURIComponent(value!.account)}`, { retention: text ?? "" }).then(again);
  return (
    <main>
      <div class="head">
        <h1>Retention</h1>
        {value && may && accounts.value!.length > 1 && (
          <label>
            of the account{" "}
            <select value={value.account} onChange={(event) => go(`/ui/retention${query({ account: event.currentTarget.value })}`)}>
              {accounts.value!.map(({ name }) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        )}
      </div>
      {(error ?? accounts.error) && <Notice>{error ?? accounts.error}</Notice>}
      <p>
        What has ended goes when its time has come, with its log and its files; the oldest go before that, where there are more than may be
        kept. What is pinned stays. A long log loses its oldest records. What is removed does not come back.
      </p>
      {value && accounts.value && (
        <RetentionForm key={value.account} parts={PARTS} own={value.retention} rules={value.rules} whose="the account" {...(may ? { save } : {})} />
      )}
      {accounts.value && !may && <p class="dim">Operators change it. A workflow may say something else of its own runs, on its page.</p>}
    </main>
  );
}
