import { useState } from "preact/hooks";

import { ApiError, query } from "../data/api.ts";
import { signIn } from "../data/session.ts";
import { reason } from "../hooks.ts";
import { Notice } from "../parts.tsx";

/** Asks with the credential before it is kept: a wrong one is told here. */
async function check(value: string): Promise<void> {
  const answer = await fetch(`/api/v1/executions${query({ limit: 1 })}`, {
    headers: { Authorization: `Bearer ${value}` },
    credentials: "omit",
  });
  if (answer.status === 401) throw new ApiError(401, "unauthorized", "the server does not know this key or token");
}

export function SignIn({ again, done }: { again?: "refused" | "renew"; done?: () => void }) {
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const value = String(new FormData(event.target as HTMLFormElement).get("token")).trim();
    setBusy(true);
    try {
      await check(value);
      signIn(value);
      done?.();
    } catch (failed) {
      setError(reason(failed));
      setBusy(false);
    }
  };
  return (
    <main class="narrow">
      <h1>{again ? "Sign in again" : "Sign in"}</h1>
      {again === "renew" && <p>With another key or token the page goes on where it is.</p>}
      {again === "refused" && <p>The key or token is not good any more. With another one the page goes on where it was.</p>}
      <form onSubmit={(event) => void submit(event as unknown as SubmitEvent)}>
        <label for="token">A key (rnl_…) or a JSON Web Token</label>
        <input id="token" name="token" type="password" autocomplete="off" required autofocus />
        <button type="submit" disabled={busy}>
          Sign in
        </button>
        {again === "renew" && (
          <button type="button" onClick={done}>
            Later
          </button>
        )}
      </form>
      {error && <Notice>{error}</Notice>}
      <p class="dim">
        It is kept in this tab alone, until it is closed. The first key of a server is in the file <code>admin.key</code>{" "}
        of its data folder.
      </p>
    </main>
  );
}
