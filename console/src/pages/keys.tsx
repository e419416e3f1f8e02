import { useState } from "preact/hooks";

import { call, get } from "../data/api.ts";
import type { Key, Role } from "../data/types.ts";
import { time } from "../format.ts";
import { reason, useLoaded, useTitle } from "../hooks.ts";
import { Ask, Notice } from "../parts.tsx";
import { Table } from "../table.tsx";
import type { Column } from "../table.tsx";

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
  useTitle("Keys");
  const columns: Column<Key>[] = [
    {
      name: "Key",
      wide: true,
      cell: (key) => (
        <>
          {key.name}
          <div class="dim">{key.key_id}</div>
        </>
      ),
    },
    { name: "Role", cell: (key) => key.role },
    { name: "Made", cell: (key) => time(key.created_at) },
    { name: "Last used", cell: (key) => time(key.last_used_at) || "never" },
    { name: "Expires", cell: (key) => time(key.expires_at) || "never" },
    {
      name: "",
      plain: true,
      cell: (key) =>
        key.revoked_at ? (
          <span class="dim">revoked {time(key.revoked_at)}</span>
        ) : (
          <Ask
            label="Revoke"
            question={`Revoke ${key.name}? What uses it is refused at once, and its streams end.`}
            act={() => call("DELETE", `${path}/${encodeURIComponent(key.key_id)}`)}
            done={again}
          />
        ),
    },
  ];
  return (
    <main>
      <div class="head">
        <h1>Keys</h1>
      </div>
      <Make again={again} />
      {error && <Notice>{error}</Notice>}
      <Table label="Keys" columns={columns} items={value?.keys} id={(key) => key.key_id} />
    </main>
  );
}
