// kinesalite as a module, because its command line listens on all addresses. Arguments: the module's directory and a port of 127.0.0.1.
const [, , directory, port] = process.argv
const kinesalite = require(directory)
const server = kinesalite({ createStreamMs: 20, deleteStreamMs: 20, shardLimit: 100 })
server.listen(Number(port), '127.0.0.1')
