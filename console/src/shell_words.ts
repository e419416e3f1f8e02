/** Words as a shell splits them, with quotes and backslashes; nothing is expanded. Throws for a quote that is open. */
export function words(text: string): string[] {
  const found: string[] = [];
  const pattern = /\s*((?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+)/gy;
  let end = 0;
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    end = pattern.lastIndex;
    const word = match[1]!.replace(/\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'/gs, (_, escaped, double, single) =>
      escaped ?? single ?? double!.replace(/\\(["\\$`])/g, "$1"));
    found.push(word);
  }
  if (text.slice(end).trim()) throw new Error("a quote is open, or a backslash is the last character");
  return found;
}
