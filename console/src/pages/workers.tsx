import { call, get } from "../data/api.ts";
import type { Worker } from "../data/types.ts";
import { bytes, time } from "../format.ts";
import { useLoaded } from "../hooks.ts";
import { Ask, Notice } from "../parts.tsx";

const AGAIN_MS = 2000;

function Row({ worker, again }: { worker: Worker; again: () => void }) {
  const path = `/api/v1/workers/${encodeURIComponent(worker.worker_id)}`;
  return (
    <tr>
      <td class="wide">
        {worker.hostname}
        <div class="dim">{worker.worker_id}</div>
      </td>
      <td class="number">
        {worker.jobs} of {worker.slots}
      </td>
      <td>{worker.draining ? "takes no more jobs" : worker.slots_free > 0 ? "has room" : "is full"}</td>
      <td>{[...worker.executors, ...worker.labels].join(", ")}</td>
      <td class="wide">{worker.runtimes.join(", ")}</td>
      <td class="number">{worker.cpus_milli / 1000}</td>
      <td class="number">{bytes(worker.memory_bytes)}</td>
      <td>{time(worker.heard_at)}</td>
      <td>
        {worker.draining ? (
          <button type="button" onClick={() => void call("POST", `${path}/resume`).then(again)}>
            Resume
          </button>
        ) : (
          <Ask
            label="Drain"
            question={`Let ${worker.hostname} take no more jobs? What it runs goes on.`}
            act={() => call("POST", `${path}/drain`)}
            done={again}
          />
        )}
      </td>
    </tr>
  );
}

export function Workers() {
  const path = "/api/v1/workers";
  const { value, error, again } = useLoaded(path, (signal) => get<{ workers: Worker[] }>(path, signal), AGAIN_MS);
  return (
    <main>
      <div class="head">
        <h1>Workers</h1>
        <a href="/?status=queued">What is queued</a>
      </div>
      {error && <Notice>{error}; it is asked again.</Notice>}
      <table>
        <thead>
          <tr>
            <th>Worker</th>
            <th class="number">Jobs</th>
            <th>State</th>
            <th>Offers</th>
            <th>Runtimes</th>
            <th class="number">CPUs</th>
            <th class="number">Memory</th>
            <th>Heard</th>
            <th />
          </tr>
        </thead>
        <tbody>
          {value?.workers.map((worker) => <Row key={worker.worker_id} worker={worker} again={again} />)}
        </tbody>
      </table>
      {value?.workers.length === 0 && (
        <p class="dim">
          None is connected, so jobs wait. <code>runnel worker</code> starts one; <code>runnel serve --jobs 4</code> has one.
        </p>
      )}
    </main>
  );
}
