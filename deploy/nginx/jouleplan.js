// Asks jouleplan where a request should go, and sends it there; see nginx.conf beside this file.
// Needs ngx_http_js_module. Where the planner is down, slow or wrong, the default pool serves.

const POOLS = /^[a-z0-9][a-z0-9._-]*$/;

async function route(r) {
  let pool = r.variables.jouleplan_default;
  try {
    const asked = JSON.parse(r.requestText || '{}');
    const body = { request: asked, llm: r.variables.jouleplan_llm };
    const reply = await r.subrequest('/_jouleplan/decision', {
      method: 'POST',
      body: JSON.stringify(body),
    });
    if (reply.status === 200) {
      const chosen = JSON.parse(reply.responseText).placement.pool;
      if (POOLS.test(chosen)) {
        pool = chosen;
      }
    }
  } catch (error) {
    r.warn('jouleplan: ' + error.message);
  }
  r.internalRedirect('@' + pool);
}

export default { route };
