// A peer of webtorrent's for tests/interop/run.py.
//   node webtorrent.mjs seed FILE.torrent FOLDER      prints its port, and seeds until it is killed
//   node webtorrent.mjs get LINK FOLDER [HOST:PORT]   ends when everything is there
import WebTorrent from 'webtorrent'

const [what, source, folder, peer] = process.argv.slice(2)
const client = new WebTorrent({
  dht: false, lsd: false, tracker: false, utp: false, natUpnp: false, natPmp: false, webSeeds: false
})

function fail (error) {
  console.error(error)
  process.exit(1)
}

client.on('error', fail)
const torrent = client.add(source, { path: folder })
torrent.on('error', fail)
torrent.on('warning', (warning) => console.error(String(warning)))
if (what === 'seed') {
  torrent.on('done', () => console.log(client.torrentPort))
} else {
  torrent.on('infoHash', () => peer && torrent.addPeer(peer))
  torrent.on('done', () => client.destroy(() => process.exit(0)))
}
