// Unit tests lie beside the code (src/); tests/ drives the pages in a browser against the real server.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "tests/**/*.test.mjs"],
    fileParallelism: false,
    // A page in a browser is tried a second time; the report says which. What fails twice fails.
    retry: 1,
    testTimeout: 90_000,
    hookTimeout: 90_000,
  },
});
