// Sends requests with `fetch` from the page in which a WebDriver runs it. Its arguments are the origin of the server, the
// requests, and a function that takes what the page saw of each answer.
const [origin, requests, done] = arguments;

async function send({ method, path, query, headers, body }) {
  const url = new URL(path, origin);
  for (const [name, value] of Object.entries(query ?? {})) {
    url.searchParams.set(name, value);
  }
  try {
    const response = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
    return { threw: false, status: response.status, body: await response.json() };
  } catch (error) {
    // A browser does not say why it hides an answer from a page.
    return { threw: true, status: 0, body: String(error) };
  }
}

(async () => {
  const seen = [];
  for (const request of requests) {
    seen.push(await send(request));
  }
  done(seen);
})();
