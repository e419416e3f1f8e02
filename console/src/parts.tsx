// Small parts that several pages use.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import type { Batch as BatchState, NodeState, Status } from "./data/types.ts";
import { reason } from "./hooks.ts";

export function Badge({ status }: { status: Status | NodeState | BatchState["status"] }) {
  return <span class={`badge ${status}`}>{status.replace("_", " ")}</span>;
}

export function Notice({ children }: { children: ComponentChildren }) {
  return (
    <p class="notice" role="alert">
      {children}
    </p>
  );
}

/** A button that does something at once, and says what the server says if it refuses. */
export function Act(props: { label: string; title?: string; act: () => Promise<unknown>; done?: () => void }) {
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const act = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      await props.act();
      props.done?.();
    } catch (failed) {
      setError(reason(failed));
    }
    setBusy(false);
  };
  return (
    <>
      <button type="button" title={props.title} disabled={busy} onClick={() => void act()}>
        {props.label}
      </button>
      {error && (
        <span class="bad" role="alert">
          {error}
        </span>
      )}
    </>
  );
}

/** A button for what cannot be taken back: it asks first, and says what the server says if it refuses. */
export function Ask(props: { label: string; question: string; act: () => Promise<unknown>; done?: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [open, setOpen] = useState(false);
  const [error, setError] = useState<string>();
  useEffect(() => {
    if (open) dialog.current?.showModal();
  }, [open]);
  const act = async (): Promise<void> => {
    try {
      await props.act();
      setOpen(false);
      props.done?.();
    } catch (failed) {
      setError(reason(failed));
    }
  };
  return (
    <>
      <button type="button" onClick={() => (setError(undefined), setOpen(true))}>
        {props.label}
      </button>
      {open && (
        <dialog ref={dialog} aria-label={props.label} onClose={() => setOpen(false)}>
          <p>{props.question}</p>
          {error && <Notice>{error}</Notice>}
          <div class="row">
            <button type="button" autofocus onClick={() => setOpen(false)}>
              No
            </button>
            <button type="button" class="danger" onClick={() => void act()}>
              {props.label}
            </button>
          </div>
        </dialog>
      )}
    </>
  );
}
