//! How often each client may ask, from each address and altogether; never by an address alone, since hosted clients share a
//! few.

use portcullis_database::both_engines;
use portcullis_oauth::GrantType;
use portcullis_oauth::jose::ClientAssertion;
use portcullis_tests::{Answer, Browser, Client, Keyed, Pkce, ResourceServer, Tokens, World};

const HERE: &str = "192.0.2.7";
const ELSEWHERE: &str = "198.51.100.4";

/// A refusal as a client reads it: status, error, and whether it is told how long to wait.
fn waits(answer: &Answer) -> bool {
    answer.verdict() == "429 invalid_request"
        && answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0)
        && answer.header("cache-control") == "no-store"
}

async fn television(world: &World) -> Client {
    Client::by_admin(world, &[GrantType::DeviceCode], ("", &[])).await
}

/// A request that is counted and leaves no row.
async fn begin(world: &World, client: &Client, address: &str) -> Answer {
    let fields = [("client_id", client.id.as_str()), ("scope", "teapot")];
    world.post_form_from(address, "/oauth/device_authorization", &fields, &[]).await
}

async fn introspect(world: &World, server: &ResourceServer, (address, token): (&str, &str)) -> Answer {
    let headers = [("authorization", server.authorization.as_str())];
    world.post_form_from(address, "/oauth/introspect", &[("token", token)], &headers).await
}

/// Presents a refresh token that nobody has.
async fn fail(world: &World, client: &Client, address: &str) -> Answer {
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "pcl_rt_noise"),
        ("client_id", client.id.as_str()),
    ];
    world.post_form_from(address, "/oauth/token", &fields, &[]).await
}

both_engines! {
    /// R8628-5.1-1, A52: a client's flood from one address, or one /64, stops neither its other devices nor its neighbours; and
    /// altogether it has a bound too
    async fn a_flood_of_device_requests_is_one_clients_at_one_address(database: TestDatabase) {
        let world = World::on(database).await;
        let (client, neighbour) = (television(&world).await, television(&world).await);
        for number in 0..60 {
            let address = format!("2001:db8:0:1::{number:x}");
            assert_eq!(begin(&world, &client, &address).await.verdict(), "400 invalid_scope");
        }
        assert!(waits(&begin(&world, &client, "2001:db8:0:1:ffff::1").await));
        assert_eq!(begin(&world, &client, "2001:db8:0:2::1").await.verdict(), "400 invalid_scope");
        assert_eq!(begin(&world, &neighbour, "2001:db8:0:1::1").await.verdict(), "400 invalid_scope");
        world.advance(1);
        assert_eq!(begin(&world, &client, "2001:db8:0:1::1").await.verdict(), "400 invalid_scope");
        for number in 0..620 {
            let address = format!("10.0.0.{}", number / 60);
            begin(&world, &client, &address).await;
        }
        assert!(waits(&begin(&world, &client, ELSEWHERE).await), "from everywhere together");
        assert_eq!(begin(&world, &neighbour, ELSEWHERE).await.verdict(), "400 invalid_scope");
    }

    /// R7662-2.1-1: noise that strangers send to one node of a server makes neither its other nodes wait nor another server
    async fn misses_are_counted_by_server_and_address(database: TestDatabase) {
        let world = World::on(database).await;
        let notes = ResourceServer::at(&world, "https://notes.example/mcp").await;
        let files = ResourceServer::at(&world, "https://files.example/mcp").await;
        let tokens = notes.connect(&world, &Client::public(&world).await, "read").await;
        for _ in 0..120 {
            assert_eq!(introspect(&world, &notes, (HERE, "pcl_at_noise")).await.status.as_u16(), 200);
        }
        assert!(waits(&introspect(&world, &notes, (HERE, "pcl_at_noise")).await));
        assert_eq!(introspect(&world, &notes, (ELSEWHERE, "pcl_at_noise")).await.status.as_u16(), 200);
        assert_eq!(introspect(&world, &files, (HERE, "pcl_at_noise")).await.status.as_u16(), 200);
        assert_eq!(introspect(&world, &notes, (HERE, &tokens.access)).await.json()["active"], true);
    }

    /// OA21-2.4.1-4: a client that is known and fails again and again is told to wait; what is good is never refused for that,
    /// and the paper trail does not grow without end
    async fn a_known_client_that_fails_is_slowed_down(database: TestDatabase) {
        let world = World::on(database).await;
        let (client, neighbour) = (Client::public(&world).await, Client::public(&world).await);
        let tokens = client.connect(&world).await;
        for _ in 0..120 {
            assert_eq!(fail(&world, &client, HERE).await.verdict(), "400 invalid_grant");
        }
        assert!(waits(&fail(&world, &client, HERE).await));
        let told = async || world.trail().await.iter().filter(|line| line.as_str() == "token.request refused invalid_grant").count();
        assert_eq!(told().await, 120);
        assert_eq!(fail(&world, &client, ELSEWHERE).await.verdict(), "400 invalid_grant");
        assert_eq!(fail(&world, &neighbour, HERE).await.verdict(), "400 invalid_grant");
        let fields = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str()), ("client_id", client.id.as_str())];
        let _ = Tokens::of(&world.post_form_from(HERE, "/oauth/token", &fields, &[]).await);
        world.advance(1);
        assert_eq!(fail(&world, &client, HERE).await.verdict(), "400 invalid_grant");
    }

    /// A19, A36: each assertion is a row, so a client cannot sign without end; and no stranger can spend its share
    async fn what_a_client_signs_is_bounded(database: TestDatabase) {
        let world = World::on(database).await;
        let (keyed, other) = (Keyed::registered(&world).await, Keyed::registered(&world).await);
        let thief = Keyed { client: keyed.client.clone(), key: Keyed::new_key(keyed.key.public().algorithm()) };
        let proven = async |keyed: &Keyed| {
            let assertion = keyed.assertion(&world);
            let fields = [("token", "x"), ("client_assertion_type", ClientAssertion::TYPE), ("client_assertion", &assertion)];
            world.post_form("/oauth/revoke", &fields).await
        };
        for _ in 0..20 {
            assert_eq!(proven(&thief).await.verdict(), "401 invalid_client");
        }
        for _ in 0..600 {
            assert_eq!(proven(&keyed).await.status.as_u16(), 200);
        }
        assert!(waits(&proven(&keyed).await));
        assert_eq!(world.count("SELECT COUNT(*) FROM client_assertion").await, 600);
        assert_eq!(proven(&other).await.status.as_u16(), 200);
        world.advance(1);
        assert_eq!(proven(&keyed).await.status.as_u16(), 200);
    }

    /// A36, R9126-2.3-1: strangers behind an address wait for each other; who is signed in, and whose name is not theirs, does not
    async fn a_crowd_behind_an_address_makes_no_person_and_no_client_wait(database: TestDatabase) {
        let world = World::configured(database, &[("authorizations_per_minute", "3")]).await;
        let (client, neighbour) = (Client::public(&world).await, Client::public(&world).await);
        let mut alice = Browser::signed_in(&world).await;
        let url = client.authorize(&Pkce::new(), &[]);
        for _ in 0..3 {
            assert_eq!(Browser::new(&world).get(&url).await.status.as_u16(), 303);
        }
        let late = Browser::new(&world).get(&url).await;
        assert_eq!((late.status.as_u16(), late.header("retry-after")), (429, "20"));
        for _ in 0..3 {
            assert_eq!(alice.get(&url).await.status.as_u16(), 303);
        }
        assert_eq!(alice.get(&url).await.status.as_u16(), 429, "a person has a bound as well");
        let push = async |client: &Client| {
            let url = client.authorize(&Pkce::new(), &[("response_type", "x")]);
            let fields: Vec<(String, String)> = url::form_urlencoded::parse(url.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            world.post_form_from(HERE, "/oauth/par", &fields, &[]).await
        };
        for _ in 0..3 {
            assert_eq!(push(&client).await.verdict(), "400 unsupported_response_type");
        }
        assert!(waits(&push(&client).await));
        assert_eq!(push(&neighbour).await.verdict(), "400 unsupported_response_type");
    }
}
