// Runs inert fixture packages inside a made-up page and tells all that went through it.
//
//   node exercise.mjs < jobs.json
//
// A job is {entry, module, hostname, texts}: the file to load (null: none), whether it is an ES module, the page's
// host, and the texts that the page sends, receives and copies. The answer {seen, hooked} lists what arrived at the
// page's own functions and what came back from them, in order, and which of those functions the package replaced.
// Each job has a page of its own; modules are loaded once, so that no two jobs may name the same file.
import { createRequire } from 'node:module'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'

const SELECTORS = ['0xa9059cbb', '0x095ea7b3', '0x23b872dd', '0xd505accf', '0x70a08231']

function page (hostname, seen) {
  const state = { reply: '', json: false, selected: '', copyListeners: [] }

  class XMLHttpRequest extends EventTarget {
    open (method, url) {
      seen.push(['xhr.open', method, url])
      this.readyState = 1
    }

    send (body) {
      seen.push(['xhr.send', body])
      this.readyState = 4
      this.responseText = this.response = state.reply
      if (this.onreadystatechange) this.onreadystatechange()
      this.dispatchEvent(new Event('readystatechange'))
    }

    getResponseHeader () {
      return state.json ? 'application/json' : 'text/plain'
    }
  }

  const record = name => async (...values) => {
    seen.push([name, ...structuredClone(values.filter(value => typeof value !== 'function'))])
    return `${name} done`
  }

  const things = {
    window: globalThis,
    self: globalThis,
    top: globalThis,
    location: { hostname, href: `https://${hostname}/` },
    document: {
      location: { hostname },
      addEventListener: (name, listener) => name === 'copy' && state.copyListeners.push(listener)
    },
    getSelection: () => ({ toString: () => state.selected }),
    navigator: { clipboard: { writeText: record('clipboard.writeText'), readText: async () => state.reply } },
    ethereum: { request: record('ethereum.request'), send: record('ethereum.send'), sendAsync: record('ethereum.sendAsync') },
    solana: {
      signTransaction: record('solana.signTransaction'),
      signAllTransactions: record('solana.signAllTransactions'),
      signAndSendTransaction: record('solana.signAndSendTransaction')
    },
    tronWeb: {
      trx: { sendTransaction: record('trx.sendTransaction'), sign: record('trx.sign') },
      transactionBuilder: { sendTrx: record('transactionBuilder.sendTrx') }
    },
    tronLink: { request: record('tronLink.request') },
    XMLHttpRequest,
    async fetch (input, init) {
      seen.push(['fetch', input, init])
      const response = new Response(state.reply, { headers: { 'content-type': state.json ? 'application/json' : 'text/plain' } })
      return Object.defineProperty(response, 'url', { value: 'https://api.example/' })
    }
  }
  for (const [name, value] of Object.entries(things)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true, enumerable: true })
  }
  return state
}

function surface () {
  return {
    fetch,
    XMLHttpRequest,
    'XMLHttpRequest.prototype.open': XMLHttpRequest.prototype.open,
    'XMLHttpRequest.prototype.send': XMLHttpRequest.prototype.send,
    'navigator.clipboard.writeText': navigator.clipboard.writeText,
    'navigator.clipboard.readText': navigator.clipboard.readText,
    ...members('ethereum', globalThis.ethereum),
    ...members('solana', globalThis.solana),
    ...members('tronWeb.trx', globalThis.tronWeb.trx),
    ...members('tronWeb.transactionBuilder', globalThis.tronWeb.transactionBuilder),
    ...members('tronLink', globalThis.tronLink)
  }
}

function members (name, object) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [`${name}.${key}`, value]))
}

async function drive (state, seen, words) {
  const told = words.join(' ')
  for (const json of [false, true]) {
    state.json = json
    state.reply = json ? JSON.stringify({ words, told, nested: { first: words[0] } }) : told
    const response = await fetch('https://api.example/send', { method: 'POST', body: told })
    seen.push(['fetch answered', response.status, await response.text()])
    const xhr = new XMLHttpRequest()
    xhr.onreadystatechange = () => seen.push(['xhr answered', xhr.readyState, xhr.responseText, xhr.response])
    xhr.open('POST', 'https://api.example/send')
    xhr.send(told)
    await navigator.clipboard.writeText(state.reply)
    seen.push(['clipboard.readText answered', await navigator.clipboard.readText()])
  }
  for (const word of [told, ...words]) {
    state.selected = word
    const clipboardData = { setData: (...values) => seen.push(['copy setData', ...values]) }
    for (const listener of state.copyListeners) listener({ clipboardData, preventDefault: () => seen.push(['copy prevented']) })
    await wallets(word)
  }
}

async function wallets (to) {
  const account = /^0x[\da-f]{40}$/i.test(to) ? to.slice(2) : '7f'.repeat(20)
  const word = account.padStart(64, '0')
  const amount = 'de0b6b3a7640000'.padStart(64, '0')
  const transactions = SELECTORS.flatMap(selector => [word + amount, word + word + amount.repeat(5)].map(data => ({
    from: '0x' + '7e'.repeat(20), to, value: '0x1', data: selector + data
  })))
  for (const transaction of [{ to, value: '0x1' }, { data: '0x60806040' }, ...transactions]) {
    await ethereum.request({ method: 'eth_sendTransaction', params: [{ ...transaction }] })
    await ethereum.send('eth_sendTransaction', [{ ...transaction }])
    await ethereum.sendAsync({ id: 1, method: 'eth_sendTransaction', params: [{ ...transaction }] }, () => {})
  }
  await ethereum.request({ method: 'eth_getBalance', params: [to, 'latest'] })

  const transfer = () => ({ recipient: to, destination: to, instructions: [{ keys: [{ pubkey: to }], programId: to }] })
  await solana.signTransaction(transfer())
  await solana.signAllTransactions([transfer(), transfer()])
  await solana.signAndSendTransaction(transfer(), { skipPreflight: true })

  await tronWeb.trx.sendTransaction(to, 5, {})
  await tronWeb.trx.sign({ raw_data: { contract: [{ parameter: { value: { to_address: to, amount: 5 } } }] } }, 'key')
  await tronWeb.transactionBuilder.sendTrx(to, 5, to)
  await tronLink.request({ method: 'tron_send', params: { to } })
}

async function exercise ({ entry, module, hostname, texts }) {
  const seen = []
  const state = page(hostname, seen)
  const before = surface()
  if (entry !== null) {
    process.argv = [process.argv[0], entry]
    if (module) await import(pathToFileURL(entry))
    else createRequire(entry)(entry)
  }
  const after = surface()
  const hooked = Object.keys(before).filter(name => before[name] !== after[name])
  if (state.copyListeners.length > 0) hooked.push('copy')
  await drive(state, seen, texts)
  return { seen, hooked }
}

const answers = []
for (const job of JSON.parse(await text(process.stdin))) {
  try {
    answers.push(await exercise(job))
  } catch (error) {
    throw new Error(`${job.entry} failed on ${job.hostname}`, { cause: error })
  }
}
process.stdout.write(JSON.stringify(answers))
