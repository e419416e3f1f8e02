// A file for the person at the page. The credential goes in a header, so the content is fetched here and handed over.
import { send } from "./api.ts";

export async function download(path: string, name: string): Promise<void> {
  const response = await send(path);
  const address = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // The browser has begun to read it by then; the memory is given back.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
