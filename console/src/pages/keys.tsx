import { useState } from "preact/hooks";

import { call, get } from "../data/api.ts";
import type { Key, Role } from "../data/types.ts";
import { time } from "../format.ts";
import { reason, useLoaded } from "../hooks.ts";
import { Ask, Notice } from "../parts.tsx";

const ROLES: [Role, string][] = [
  ["viewer", "reads the account"],
  ["user", "submits, and reads its own"],
  ["service", "writes records and submits for others"],
  ["admin", "keys, secrets, retention of the account"],
  ["operator", "the server"],
];

function Make({ again }: { again: () => void }) {
  const [made, setMade] = useState<Key & { key: string }>();
  const [error, setError] = useState<string>();
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    const values = new FormData(form);
    const expires = String(values.get("expires")).trim();
    try {
      const body = { name: values.get("name"), role: values.get("role"), ...(expires ? { expires_at: expires } : {}) };
      setMade(await call("POST", "/api/v1/keys", body));
      setError(undefined);
      form.reset();
      again();
    } catch (failed) {
      setError(reason(failed));
    }
  };
  return (
    <form class="row" onSubmit={(event) => void submit(event as unknown as SubmitEvent)}>
      <label>
        Name <input name="name" required maxLength={200} />
      </label>
      <label>
        Role{" "}
        <select name="role">
          {ROLES.map(([role, does]) => (
            <option key={role} value={role}>
              {role}: {does}
            </option>
          ))}
        </select>
      </label>
      <label>
        Expires <input name="expires" placeholder="never; or 90d" size={10} />
      </label>
      <button type="submit">Make a key</button>
      {error && <Notice>{error}</Notice>}
      {made && (
        <p class="notice good" role="status">
          The key of {made.name}; it is shown only here: <code>{made.key}</code>
        </p>
      )}
    </form>
  );
}

export function Keys() {
  const path = "/api/v1/keys";
  const { value, error, again } = useLoaded(path, (signal) => get<{ keys: Key[] }>(path, signal));
  return (
    <main>
      <div class="head">
        <h1>Keys</h1>
      </div>
      <Make again={again} />
      {error && <Notice>{error}</Notice>}
      <table>
        <thead>
          <tr>
            <th>Key</th>
            <th>Role</th>
            <th>Made</th>
            <th>Last used</th>
            <th>Expires</th>
            <th />
          </tr>
        </thead>
        <tbody>
          {value?.keys.map((key) => (
            <tr key={key.key_id}>
              <td class="wide">
                {key.name}
                <div class="dim">{key.key_id}</div>
              </td>
              <td>{key.role}</td>
              <td>{time(key.created_at)}</td>
              <td>{time(key.last_used_at) || "never"}</td>
              <td>{time(key.expires_at) || "never"}</td>
              <td>
                {key.revoked_at ? (
                  `revoked ${time(key.revoked_at)}`
                ) : (
                  <Ask
                    label="Revoke"
                    question={`Revoke ${key.name}? What uses it is refused at once, and its streams end.`}
                    act={() => call("DELETE", `${path}/${encodeURIComponent(key.key_id)}`)}
                    done={again}
                  />
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </main>
  );
}
