// Sends requests with axios. Reads `{ origin, requests }` from standard input, and prints what the client saw of each
// answer.
const axios = require('axios');

async function send(origin, { method, path, query, headers, body }) {
  const config = { params: query, headers };
  try {
    const response =
      method === 'GET' ? await axios.get(origin + path, config) : await axios.post(origin + path, body, config);
    return { threw: false, status: response.status, body: response.data };
  } catch (error) {
    // Without a response, the request itself failed.
    if (!error.response) throw error;
    return { threw: true, status: error.response.status, body: error.response.data };
  }
}

async function main() {
  const { origin, requests } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
  const seen = [];
  for (const request of requests) {
    seen.push(await send(origin, request));
  }
  console.log(JSON.stringify(seen));
}

main();
