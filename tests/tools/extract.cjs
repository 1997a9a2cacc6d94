// Extracts every .tgz of a folder as npm itself does, with the pacote and node-tar that npm brings.
// usage: node extract.cjs FOLDER_OF_NPM FOLDER_OF_TARBALLS
// One JSON line a tarball: {name, files: {path: [size, sha256, executable]}} or {name, error}.
const crypto = require('node:crypto')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const [npm, folder] = process.argv.slice(2)
const FileFetcher = require(path.join(npm, 'node_modules/pacote/lib/file.js'))
// what every kind of fetcher shares: FileFetcher's own extract reads package.json afterwards
const { extract } = Object.getPrototypeOf(FileFetcher.prototype)

const walk = (directory, prefix, files) => {
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    const full = `${directory}/${entry.name}`
    if (entry.isDirectory()) {
      walk(full, `${prefix}${entry.name}/`, files)
    } else {
      const content = fs.readFileSync(full)
      const sha256 = crypto.createHash('sha256').update(content).digest('hex')
      files[prefix + entry.name] = [content.length, sha256, (fs.statSync(full).mode & 0o111) !== 0]
    }
  }
  return files
}

const main = async () => {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'npm-extract-'))
  for (const name of fs.readdirSync(folder).filter(it => it.endsWith('.tgz')).sort()) {
    const target = path.join(scratch, name) // its own: a refused tarball's last writes come late
    const fetcher = new FileFetcher(`file:${path.join(folder, name)}`, { where: folder }) // without a cache
    let result
    try {
      await extract.call(fetcher, target)
      result = { name, files: walk(target, '', Object.create(null)) }
    } catch (error) {
      result = { name, error: String(error.message) }
    }
    console.log(JSON.stringify(result))
  }
  fs.rmSync(scratch, { recursive: true, force: true, maxRetries: 3 })
}

main()
