// Labels texts with an exported run by transformers.js: node transformers_js.mjs NODE_MODULES FOLDER TEXTS.json
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";

const [modules, folder, texts] = process.argv.slice(2);
const { env, pipeline } = createRequire(join(dirname(modules), "here.js"))("@huggingface/transformers");
env.allowRemoteModels = false;
env.localModelPath = dirname(folder);
const classify = await pipeline("text-classification", basename(folder));
const found = await classify(JSON.parse(readFileSync(texts, "utf-8")), { top_k: null });
console.log(JSON.stringify(found));
