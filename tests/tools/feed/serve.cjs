// A database of CouchDB's protocol on a free port of loopback; the port goes to standard output.
// It ends with whoever holds the other end of its standard input.
const { createRequire } = require("node:module");
const installed = createRequire(`${process.cwd()}/`);
const PouchDB = installed("pouchdb-core")
  .plugin(installed("pouchdb-adapter-memory"))
  .defaults({ adapter: "memory" });
const app = installed("express")();
app.use("/", installed("express-pouchdb")(PouchDB, { mode: "minimumForPouchDB", inMemoryConfig: true }));
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();
