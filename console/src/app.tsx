import { useEffect, useState } from "preact/hooks";

import { onSession, signOut, token } from "./data/session.ts";
import { useAddress } from "./hooks.ts";
import { Run } from "./pages/run.tsx";
import { Runs } from "./pages/runs.tsx";
import { SignIn } from "./pages/sign_in.tsx";

function Page({ address }: { address: URL }) {
  const [, , kind, id] = address.pathname.split("/").map(decodeURIComponent);
  if (address.pathname === "/") return <Runs address={address} />;
  if (kind === "runs" && id) return <Run id={id} key={id} />;
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
  const [signedIn, set] = useState(token() !== null);
  useEffect(() => onSession(() => set(token() !== null)), []);
  return (
    <>
      <header class="bar">
        <a class="brand" href="/">
          Runnel
        </a>
        <nav aria-label="Pages">
          <a href="/" aria-current={address.pathname === "/" ? "page" : undefined}>
            Runs
          </a>
        </nav>
        {signedIn && (
          <button type="button" onClick={signOut}>
            Sign out
          </button>
        )}
      </header>
      {signedIn ? <Page address={address} /> : <SignIn />}
    </>
  );
}
