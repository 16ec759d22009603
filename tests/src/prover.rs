//! A client's key, and the proofs that it makes (RFC 9449).

use std::sync::{Mutex, PoisonError};

use portcullis_oauth::jose::{Algorithm, SigningKey};
use portcullis_oauth::{Clock, Secret, random_handle};
use serde_json::{Value, json};

use crate::{Answer, Browser, Client, Tokens, World};

/// A key, and the nonce that the server last gave.
pub struct Prover {
    key: SigningKey,
    nonce: Mutex<Option<String>>,
}

impl Default for Prover {
    fn default() -> Self {
        Self::new()
    }
}

impl Prover {
    /// A fresh key.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Algorithm::Es256)
    }

    /// A fresh key for this algorithm.
    #[must_use]
    pub fn of(algorithm: Algorithm) -> Self {
        Self { key: SigningKey::generate(algorithm).expect("a key"), nonce: Mutex::default() }
    }

    /// Its thumbprint.
    #[must_use]
    pub fn jkt(&self) -> String {
        self.key.public().thumbprint()
    }

    /// The header of its proofs.
    #[must_use]
    pub fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": self.key.public().algorithm(), "jwk": self.key.public()})
    }

    /// The claims of a proof for `method` at `path`, with the access token of a resource if there is one.
    #[must_use]
    pub fn claims(&self, world: &World, (method, path): (&str, &str), token: Option<&str>) -> Value {
        let mut claims = json!({
            "jti": random_handle(""), "htm": method, "htu": format!("http://localhost:8420{path}"),
            "iat": world.clock.now().seconds(),
        });
        if let Some(token) = token {
            claims["ath"] = json!(Secret::presented(token).hash());
        }
        if let Some(nonce) = &*self.nonce.lock().unwrap_or_else(PoisonError::into_inner) {
            claims["nonce"] = json!(nonce);
        }
        claims
    }

    /// Signs a proof that says this.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_under(&self.header(), claims)
    }

    /// Signs a proof with this header.
    #[must_use]
    pub fn sign_under(&self, header: &Value, claims: &Value) -> String {
        self.key.sign_under(header, claims).expect("a proof")
    }

    /// A good proof for the token endpoint.
    #[must_use]
    pub fn at_token_endpoint(&self, world: &World) -> String {
        self.sign(&self.claims(world, ("POST", "/oauth/token"), None))
    }

    /// A good proof for `POST` at a resource.
    #[must_use]
    pub fn at_resource(&self, world: &World, path: &str, token: &str) -> String {
        self.sign(&self.claims(world, ("POST", path), Some(token)))
    }

    /// Keeps the nonce that an answer gives: from now on proofs hold it.
    pub fn heed(&self, answer: &Answer) {
        if let Some(nonce) = answer.headers.get("dpop-nonce").and_then(|nonce| nonce.to_str().ok()) {
            *self.nonce.lock().unwrap_or_else(PoisonError::into_inner) = Some(nonce.to_owned());
        }
    }
}

impl Client {
    /// Asks the token endpoint with a proof, as real clients do: again with the nonce, when it is told to.
    pub async fn prove(
        &self,
        world: &World,
        prover: &Prover,
        fields: &[(&str, &str)],
        changes: &[(&str, &str)],
    ) -> Answer {
        let ask = async || {
            let proof = prover.at_token_endpoint(world);
            let answer = self.token_with(world, fields, changes, &[("dpop", &proof)]).await;
            prover.heed(&answer);
            answer
        };
        let answer = ask().await;
        if answer.verdict() == "400 use_dpop_nonce" { ask().await } else { answer }
    }

    /// Redeems a code with a proof.
    pub async fn redeem_proving(
        &self,
        world: &World,
        prover: &Prover,
        (code, verifier): (&str, &str),
    ) -> Answer {
        let fields = [("grant_type", "authorization_code"), ("code", code), ("code_verifier", verifier)];
        self.prove(world, prover, &fields, &[]).await
    }

    /// Refreshes with a proof.
    pub async fn refresh_proving(&self, world: &World, prover: &Prover, token: &str) -> Answer {
        self.prove(world, prover, &[("grant_type", "refresh_token"), ("refresh_token", token)], &[]).await
    }

    /// The whole flow with Alice's fresh browser; the tokens are bound to the key.
    pub async fn connect_proving(&self, world: &World, prover: &Prover) -> Tokens {
        let (code, pkce) = Browser::new(world).code_for(self).await;
        let answer = self.redeem_proving(world, prover, (&code, &pkce.verifier)).await;
        assert_eq!(answer.json()["token_type"], "DPoP", "{}", answer.body);
        Tokens::of(&answer)
    }
}

impl World {
    /// Lists the tools with a token by the scheme `DPoP` and this proof.
    pub async fn mcp_proven(&self, token: &str, proof: &str) -> Answer {
        let scheme = format!("DPoP {token}");
        let headers = [("authorization", scheme.as_str()), ("dpop", proof)];
        self.mcp_with("/mcp", &headers, "tools/list", json!({})).await
    }

    /// The same with a good proof, made again with the nonce when one is asked for.
    pub async fn mcp_proving(&self, prover: &Prover, token: &str) -> Answer {
        let answer = self.mcp_proven(token, &prover.at_resource(self, "/mcp", token)).await;
        prover.heed(&answer);
        if answer.json()["error"] != "use_dpop_nonce" {
            return answer;
        }
        self.mcp_proven(token, &prover.at_resource(self, "/mcp", token)).await
    }
}
