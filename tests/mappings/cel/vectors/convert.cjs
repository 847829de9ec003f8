// Writes the files beside this one from the npm package @bufbuild/cel-spec, which carries the test
// vectors of google/cel-spec (tests/simple/testdata/*.textproto) as JavaScript:
//
//   npm install --no-save @bufbuild/cel-spec@0.6.1 && node tests/mappings/cel/vectors/convert.cjs

const fs = require("node:fs");
const path = require("node:path");
const { tests } = require("@bufbuild/cel-spec/testdata/conformance.js");

const FILES = [
  "basic", "comparisons", "conversions", "fields", "fp_math", "integer_math", "lists", "logic",
  "macros", "namespace", "parse", "plumbing", "string", "timestamps", "type_deductions",
];

for (const file of tests.suites.filter((suite) => FILES.includes(suite.name))) {
  const lines = [];
  for (const section of file.suites) {
    for (const { original: one } of section.tests) {
      const vector = { section: section.name, name: one.name, expr: one.expr };
      if (one.bindings) {
        vector.bindings = Object.fromEntries(
          Object.entries(one.bindings).map(([name, held]) => [name, held.value]),
        );
      }
      if (one.typeEnv) vector.declares = one.typeEnv.map((declared) => declared.name);
      if (one.container) vector.container = one.container;
      if (one.disableCheck) vector.unchecked = true;
      if (one.checkOnly) vector.check_only = true;
      if (one.evalError) vector.error = one.evalError.errors?.[0]?.message ?? "";
      // a vector that names no result is one that must be true
      else vector.value = one.value ?? one.typedResult?.result ?? { boolValue: true };
      // JSON has a negative zero, but JavaScript does not write it
      lines.push(JSON.stringify(vector, (_, held) => (Object.is(held, -0) ? "-0.0" : held)));
    }
  }
  fs.writeFileSync(path.join(__dirname, `${file.name}.json`), `[\n${lines.join(",\n")}\n]\n`);
}
