// A certified OpenID Connect provider, which lets everybody log in.
// node issuer.mjs ISSUER PORT AUDIENCE REDIRECT
import Provider from "oidc-provider";

const [issuer, port, audience, redirect] = process.argv.slice(2);
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "robot",
      client_secret: "secret of the robot",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    },
    {
      client_id: "docs",
      application_type: "native",
      token_endpoint_auth_method: "none",
      redirect_uris: [redirect],
    },
  ],
  scopes: ["openid", "heroes:write", "teams:write"],
  clientBasedCORS: () => true,
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => "urn:service",
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: "heroes:write teams:write",
        audience,
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
