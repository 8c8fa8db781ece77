// A certified OpenID provider in front of the FHIR test server: SMART backend services and client secrets.
// Usage: node oidc-server.mjs PORT AUDIENCE KEY_DIR   (keys are made anew at every start, for tests only)
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import Provider from "oidc-provider";

const [port, audience, keyDir] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

function keyPair(kid, alg) {
  const { publicKey, privateKey } =
    alg === "RS384"
      ? generateKeyPairSync("rsa", { modulusLength: 2048 })
      : generateKeyPairSync("ec", { namedCurve: "P-384" });
  writeFileSync(join(keyDir, `${kid}.pem`), privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  return { ...publicKey.export({ format: "jwk" }), kid, alg, use: "sig" };
}

const smart = (client_id, alg) => ({
  client_id,
  token_endpoint_auth_method: "private_key_jwt",
  token_endpoint_auth_signing_alg: alg,
  grant_types: ["client_credentials"],
  redirect_uris: [],
  response_types: [],
  jwks: { keys: [keyPair(client_id, alg)] },
});

const provider = new Provider(issuer, {
  clients: [
    smart("lakeflow-rs384", "RS384"),
    smart("lakeflow-es384", "ES384"),
    {
      client_id: "lakeflow-secret",
      client_secret: "a-test-secret-of-at-least-32-bytes-length",
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    },
  ],
  scopes: ["system/*.rs", "system/*.read", "system/Patient.rs", "system/*.cruds"],
  enabledJWA: { clientAuthSigningAlgValues: ["RS256", "RS384", "ES384"] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: "system/*.rs system/*.read system/Patient.rs system/*.cruds",
        audience,
        accessTokenFormat: "jwt",
        accessTokenTTL: 20,
      }),
    },
  },
});
provider.listen(Number(port), "127.0.0.1", () => console.log(`oidc ready at ${issuer}`));
