// Makes minified twins of the fixture packages: JSON jobs on standard input, JSON answers on standard output.
//
//   node minify.mjs < jobs.json   (run beside node_modules)
//
// A job is {transform, path, text, module} and is answered by the new text; {transform: "bundle", entry} names a
// file on disk, with all that it imports, and is answered by one bundle. Nothing that it reads is run.
import { createRequire } from 'node:module'
import { text } from 'node:stream/consumers'

const require = createRequire(`${process.cwd()}/`)
const esbuild = require('esbuild')
const terser = require('terser')

const TARGET = 'es2020'

async function withoutTypes (job) {
  if (!job.path.endsWith('.ts')) return job.text
  return (await esbuild.transform(job.text, { loader: 'ts', target: TARGET })).code
}

const TRANSFORMS = {
  async terser (job) {
    const source = await withoutTypes(job)
    return (await terser.minify(source, { module: job.module, toplevel: true, compress: { passes: 2 } })).code
  },

  async esbuild (job) {
    const loader = job.path.endsWith('.ts') ? 'ts' : 'js'
    return (await esbuild.transform(job.text, { loader, target: TARGET, minify: true })).code
  },

  async obfuscator (job) {
    const { obfuscate } = require('javascript-obfuscator')
    const source = await withoutTypes(job)
    const shebang = /^#!.*\n/.exec(source)?.[0] ?? ''
    const settings = { seed: 20250908, stringArrayThreshold: 1, numbersToExpressions: true, log: false }
    return shebang + obfuscate(source.slice(shebang.length), settings).getObfuscatedCode()
  },

  async bundle (job) {
    const result = await esbuild.build({
      entryPoints: [job.entry],
      bundle: true,
      minify: true,
      write: false,
      format: job.module ? 'esm' : 'cjs',
      platform: 'node',
      target: TARGET,
      loader: { '': 'js' }
    })
    return result.outputFiles[0].text
  }
}

const jobs = JSON.parse(await text(process.stdin))
const answers = await Promise.all(jobs.map(job => TRANSFORMS[job.transform](job)))
process.stdout.write(JSON.stringify(answers))
