import { Suspense, lazy } from "preact/compat";
import { useEffect, useState } from "preact/hooks";

import { Boundary } from "./boundary.tsx";
import { endsAt, isRefused, onSession, signOut, token } from "./data/session.ts";
import { useAddress, useNow } from "./hooks.ts";
import { duration } from "./format.ts";
import { Keyboard } from "./keyboard.tsx";
import { Batch } from "./pages/batch.tsx";
import { Batches } from "./pages/batches.tsx";
import { Keys } from "./pages/keys.tsx";
import { NewRun } from "./pages/new_run.tsx";
import { Run } from "./pages/run.tsx";
import { Runs } from "./pages/runs.tsx";
import { Search } from "./pages/search.tsx";
import { ServerState } from "./pages/server.tsx";
import { SignIn } from "./pages/sign_in.tsx";
import { Workers } from "./pages/workers.tsx";
import { Workflow } from "./pages/workflow.tsx";
import { Workflows } from "./pages/workflows.tsx";

const Retention = lazy(() => import("./pages/retention.tsx"));

const PLACES: [string, string][] = [
  ["/", "Runs"],
  ["/ui/batches", "Batches"],
  ["/ui/workflows", "Workflows"],
  ["/ui/workers", "Workers"],
  ["/ui/server", "Server"],
  ["/ui/keys", "Keys"],
];

function Page({ address }: { address: URL }) {
  const [, , kind, id] = address.pathname.split("/").map(decodeURIComponent);
  if (address.pathname === "/") return <Runs address={address} />;
  if (kind === "runs" && id) return <Run id={id} key={id} address={address} />;
  if (kind === "batches") return id ? <Batch id={id} key={id} /> : <Batches address={address} />;
  if (kind === "workflows") return id ? <Workflow id={id} key={id} /> : <Workflows address={address} />;
  if (kind === "workers") return <Workers />;
  if (kind === "search") return <Search address={address} />;
  if (kind === "server") return <ServerState />;
  if (kind === "keys") return <Keys />;
  if (kind === "retention")
    return (
      <Suspense fallback={<main />}>
        <Retention address={address} />
      </Suspense>
    );
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

/** A token that ends soon is replaced before requests are refused. */
const RENEW_MS = 5 * 60_000;

function Renew({ open }: { open: () => void }) {
  const end = endsAt();
  const now = useNow(end !== undefined);
  if (end === undefined || end - now > RENEW_MS) return null;
  return (
    <button type="button" class="danger" onClick={open}>
      Token ends in {duration(Math.max(0, Math.floor((end - now) / 1000) * 1000))}: renew
    </button>
  );
}

export function App() {
  const address = useAddress();
  const [session, set] = useState({ signedIn: token() !== null, refused: isRefused() });
  useEffect(() => onSession(() => set({ signedIn: token() !== null, refused: isRefused() })), []);
  const [renewing, setRenewing] = useState(false);
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
            <Renew open={() => setRenewing(true)} />
            <a class="button" href="/ui/new">
              Start a run
            </a>
            <Keyboard />
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
      {(refused || renewing) && (
        <div class="over" role="dialog" aria-modal="true" aria-label="Sign in again">
          <SignIn again={refused ? "refused" : "renew"} done={() => setRenewing(false)} />
        </div>
      )}
    </>
  );
}
