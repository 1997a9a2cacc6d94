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

  async swc (job) {
    const swc = require('@swc/core')
    const source = await withoutTypes(job)
    const shebang = /^#!.*\n/.exec(source)?.[0] ?? ''
    const settings = {
      minify: true,
      isModule: job.module,
      jsc: { target: TARGET, minify: { compress: true, mangle: { toplevel: true } } }
    }
    return shebang + (await swc.transform(source.slice(shebang.length), settings)).code
  },

  async bundle (job) {
    const result = await esbuild.build({
      entryPoints: [job.entry],
      bundle: true,
      packages: 'external',
      minify: true,
      write: false,
      format: job.module ? 'esm' : 'cjs',
      platform: 'node',
      packages: 'external',
      target: TARGET,
      loader: { '': 'js' }
    })
    return result.outputFiles[0].text
  }
}

// The presets and settings of javascript-obfuscator, by the transform's name.
const STRINGS = { stringArrayThreshold: 1, splitStrings: true, splitStringsChunkLength: 6, unicodeEscapeSequence: true }
const OBFUSCATIONS = {
  obfuscator: { stringArrayThreshold: 1, numbersToExpressions: true },
  low: { optionsPreset: 'low-obfuscation' },
  medium: { optionsPreset: 'medium-obfuscation' },
  high: { optionsPreset: 'high-obfuscation' },
  base64: { ...STRINGS, stringArrayEncoding: ['base64'], stringArrayCallsTransform: true, transformObjectKeys: true },
  rc4: {
    ...STRINGS,
    stringArrayEncoding: ['rc4'],
    stringArrayWrappersCount: 3,
    stringArrayWrappersType: 'function',
    stringArrayWrappersChainedCalls: true,
    stringArrayCallsTransform: true
  },
  'self-defending': { selfDefending: true, stringArrayThreshold: 1, controlFlowFlattening: true }
}

for (const [name, settings] of Object.entries(OBFUSCATIONS)) {
  TRANSFORMS[name] = async job => {
    const { obfuscate } = require('javascript-obfuscator')
    const source = await withoutTypes(job)
    const shebang = /^#!.*\n/.exec(source)?.[0] ?? ''
    return shebang + obfuscate(source.slice(shebang.length), { seed: 20250908, log: false, ...settings }).getObfuscatedCode()
  }
}

const jobs = JSON.parse(await text(process.stdin))
const answers = await Promise.all(jobs.map(job => TRANSFORMS[job.transform](job)))
process.stdout.write(JSON.stringify(answers))
