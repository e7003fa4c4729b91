// Parses and links every module of the dashboard as a browser would, without running any.
//
// in    the folder of the static files as the argument
// out   what is wrong with the first module that cannot be parsed, or that asks another for what it
//       does not export; exit code 1

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { SourceTextModule } from "node:vm";

const root = resolve(process.argv[2]);
const made = new Map();

function module(path) {
  if (!made.has(path)) {
    const source = readFileSync(path, "utf8");
    made.set(path, new SourceTextModule(source, { identifier: path }));
  }
  return made.get(path);
}

function found(name, from) {
  if (!/^[./]/.test(name)) throw new Error(`${from.identifier}: '${name}' is no relative path`);
  return module(resolve(dirname(from.identifier), name));
}

const files = readdirSync(root, { recursive: true })
  .filter((name) => name.endsWith(".js") && name !== "early.js")
  .map((name) => join(root, name));
const all = files.map((path) => `import ${JSON.stringify(path)};`).join("\n");
try {
  await new SourceTextModule(all, { identifier: join(root, "all") }).link(found);
} catch (error) {
  console.log(error.stack.split("\n").slice(0, 4).join("\n"));
  process.exitCode = 1;
}
