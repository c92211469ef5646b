// Asks jouleplan where a request should go, and sends it there; see nginx.conf beside this file.
// Needs ngx_http_js_module. Where the planner is down, slow or wrong, the first pool serves.

async function route(r) {
  const pools = r.variables.jouleplan_pools.split(' ');
  const llm = r.variables.jouleplan_llm;
  let pool = pools[0];
  try {
    const body = {
      request: JSON.parse(r.requestText || '{}'),
      candidates: pools.map((name) => ({ llm: llm, pool: name })),
    };
    // Not a subrequest: one whose answer is too long takes the client's request down with it.
    const reply = await ngx.fetch(r.variables.jouleplan_url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (reply.status === 200) {
      const chosen = (await reply.json()).placement.pool;
      if (pools.includes(chosen)) {
        pool = chosen;
      }
    }
  } catch (error) {
    r.warn('jouleplan: ' + error.message);
  }
  r.internalRedirect('@' + pool);
}

export default { route };
