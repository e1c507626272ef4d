// Node's http as a back server: says which request it saw. Usage: node echo_server.js SOCKET
'use strict';
const crypto = require('crypto');
const http = require('http');

let counter = 0;

const server = http.createServer({ maxHeaderSize: 128 * 1024, requestTimeout: 0 }, (request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    const content = Buffer.concat(pieces);
    const hash = crypto.createHash('sha1');
    hash.update(Buffer.from(`${request.method} ${request.url}\n`, 'latin1'));
    hash.update(content);
    counter += 1;
    const seen = `${counter} ${content.length} ${hash.digest('hex')}`;
    response.writeHead(200, { 'X-Seen': seen, 'Content-Length': seen.length });
    response.end(request.method === 'HEAD' ? '' : seen);
  });
});
server.keepAliveTimeout = 0; // never
server.headersTimeout = 0;
server.listen(process.argv[2]);
