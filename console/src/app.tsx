import { useEffect, useState } from "preact/hooks";

import { Boundary } from "./boundary.tsx";
import { isRefused, onSession, signOut, token } from "./data/session.ts";
import { useAddress } from "./hooks.ts";
import { Batch } from "./pages/batch.tsx";
import { Batches } from "./pages/batches.tsx";
import { Keys } from "./pages/keys.tsx";
import { NewRun } from "./pages/new_run.tsx";
import { Run } from "./pages/run.tsx";
import { Runs } from "./pages/runs.tsx";
import { SignIn } from "./pages/sign_in.tsx";
import { Workers } from "./pages/workers.tsx";
import { Workflow } from "./pages/workflow.tsx";
import { Workflows } from "./pages/workflows.tsx";

const PLACES: [string, string][] = [
  ["/", "Runs"],
  ["/ui/batches", "Batches"],
  ["/ui/workflows", "Workflows"],
  ["/ui/workers", "Workers"],
  ["/ui/keys", "Keys"],
];

function Page({ address }: { address: URL }) {
  const [, , kind, id] = address.pathname.split("/").map(decodeURIComponent);
  if (address.pathname === "/") return <Runs address={address} />;
  if (kind === "runs" && id) return <Run id={id} key={id} address={address} />;
  if (kind === "batches") return id ? <Batch id={id} key={id} /> : <Batches address={address} />;
  if (kind === "workflows") return id ? <Workflow id={id} key={id} /> : <Workflows address={address} />;
  if (kind === "workers") return <Workers />;
  if (kind === "keys") return <Keys />;
  if (kind === "new") return <NewRun />;
  return (
    <main>
      <h1>There is no such page</h1>
      <p>
        <a href="/">All runs</a>
      </p>
    </main>
  );
}

export function App() {
  const address = useAddress();
  const [session, set] = useState({ signedIn: token() !== null, refused: isRefused() });
  useEffect(() => onSession(() => set({ signedIn: token() !== null, refused: isRefused() })), []);
  const { signedIn, refused } = session;
  return (
    <>
      <header class="bar">
        <a class="brand" href="/">
          Runnel
        </a>
        <nav aria-label="Pages">
          {PLACES.map(([path, name]) => (
            <a key={path} href={path} aria-current={address.pathname === path ? "page" : undefined}>
              {name}
            </a>
          ))}
        </nav>
        {signedIn && (
          <>
            <a class="button" href="/ui/new">
              Start a run
            </a>
            <button type="button" onClick={signOut}>
              Sign out
            </button>
          </>
        )}
      </header>
      {signedIn || refused ? (
        <Boundary key={address.pathname}>
          <Page address={address} />
        </Boundary>
      ) : (
        <SignIn />
      )}
      {refused && (
        <div class="over" role="dialog" aria-modal="true" aria-label="Sign in again">
          <SignIn again />
        </div>
      )}
    </>
  );
}
