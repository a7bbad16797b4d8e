// npm's oidc-provider, certified by the OpenID Foundation, as an identity provider for the tests:
//   node provider.mjs FOLDER_OF_NODE_MODULES PORT REDIRECT_URI SIGN_OUT_URI
// It prints its issuer and ends with its standard input. Anybody signs in as the name they type; of whose name begins
// with "mfa" it says that a second factor was shown (amr). Claims of scopes come from userinfo alone, as the specification
// has it; sub and amr are the ID token's.
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const [folder, port, redirectUri, signOutUri] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${folder}/oidc-provider/lib/index.js`).href);

const server = createServer();
await new Promise((listening) => server.listen(Number(port), '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'deskhand',
    client_secret: 'p%ss: word/+',
    redirect_uris: [redirectUri],
    post_logout_redirect_uris: [signOutUri],
    grant_types: ['authorization_code'],
    response_types: ['code'],
  }],
  claims: { openid: ['sub', 'amr'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'] },
  scopes: ['openid', 'email', 'profile', 'groups'],
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
  cookies: { keys: ['a key for the tests alone'] },
  findAccount: (context, id) => ({
    accountId: id,
    claims: () => ({
      sub: id, email: `${id}@acme.example`, email_verified: true, name: id, groups: ['Service desk'],
    }),
  }),
});
const finished = provider.interactionFinished.bind(provider);
provider.interactionFinished = (request, response, result, options) => {
  const login = result.login && { ...result.login, amr: result.login.accountId.startsWith('mfa') ? ['pwd', 'mfa'] : ['pwd'] };
  return finished(request, response, login ? { ...result, login } : result, options);
};
server.on('request', provider.callback());
process.stdin.on('end', () => process.exit(0)).resume();
console.log(issuer);
