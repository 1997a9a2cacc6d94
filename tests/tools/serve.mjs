// Runs Verdaccio on a free loopback port until standard input closes, so that it never outlives its parent.
//
//   node serve.mjs CONFIG.json LISTENING   (run beside node_modules)
//
// The port is chosen by the kernel and written to LISTENING once requests are answered.
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const [configPath, listeningPath] = process.argv.slice(2)
const { runServer } = createRequire(`${process.cwd()}/`)('verdaccio')

process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
process.stdin.on('error', () => process.exit(0))

const server = await runServer(JSON.parse(readFileSync(configPath, 'utf8')))
server.listen(0, '127.0.0.1', () => {
  writeFileSync(`${listeningPath}.tmp`, String(server.address().port))
  renameSync(`${listeningPath}.tmp`, listeningPath)
})
