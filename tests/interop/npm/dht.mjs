// One DHT node of webtorrent (bittorrent-dht): does one thing, says what came of it as JSON lines,
// and stays.
//
//   node dht.mjs ADDRESS:PORT BOOTSTRAP|- [node | announce HASH PORT | peers HASH | get TARGET |
//                 put TEXT | put-key SEED SEQ TEXT | put-cas SEED SEQ CAS SALT TEXT]
import crypto from 'node:crypto'
import { Client } from 'bittorrent-dht'

const [here, bootstrap, verb, ...words] = process.argv.slice(2)
const say = what => console.log(JSON.stringify(what))
const again = ask => { ask(); setInterval(ask, 2000) }

// Raw Ed25519 keys in the forms that node's crypto reads.
const publicKey = raw => crypto.createPublicKey({
  key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]), format: 'der', type: 'spki' })
const privateKey = seed => crypto.createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]), format: 'der', type: 'pkcs8' })

const dht = new Client({
  bootstrap: bootstrap === '-' ? false : [bootstrap],
  verify: (signature, message, key) => crypto.verify(null, message, publicKey(Buffer.from(key)), signature)
})
const [address, port] = here.split(':')
dht.on('error', error => say({ error: String(error) }))

const putKey = (seed, text, more) => {
  const secret = privateKey(Buffer.from(seed, 'hex'))
  const key = crypto.createPublicKey(secret).export({ format: 'der', type: 'spki' }).subarray(-32)
  again(() => dht.put({ k: key, v: Buffer.from(text), sign: buffer => crypto.sign(null, buffer, secret), ...more },
    (error, hash, stored) => say(error ? { error: String(error) } : { target: hash.toString('hex'), stored })))
}

const verbs = {
  node: () => {},
  announce: (hash, peerPort) => again(() => dht.announce(hash, Number(peerPort), error =>
    say(error ? { error: String(error) } : { announced: hash }))),
  peers: hash => {
    dht.on('peer', peer => say({ peers: [`${peer.host}:${peer.port}`] }))
    again(() => dht.lookup(hash))
  },
  get: target => again(() => dht.get(target, { cache: false }, (error, item) => {
    if (!error && item) say({ value: Buffer.from(item.v).toString(), seq: item.seq })
  })),
  put: text => again(() => dht.put({ v: Buffer.from(text) }, (error, hash, stored) =>
    say(error ? { error: String(error) } : { target: hash.toString('hex'), stored }))),
  'put-key': (seed, seq, text) => putKey(seed, text, { seq: Number(seq) }),
  'put-cas': (seed, seq, cas, salt, text) =>
    putKey(seed, text, { seq: Number(seq), cas: Number(cas), salt: Buffer.from(salt) })
}

dht.listen(Number(port), address, () => {
  const ready = () => { say({ ready: true }); verbs[verb](...words) }
  bootstrap === '-' ? ready() : dht.once('ready', ready)
})
