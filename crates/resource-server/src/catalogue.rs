//! The catalogue: the upstream servers that an admin offers, and what each asks of those who connect to it.
//!
//! Owns the tables `server` and `server_user`, and every rule about what an admin and a user may write there. Connections
//! of users are `connections`; reaching a server is the gateway's.

mod description;
mod desktop;
mod parameter;
mod relays;
mod server;
mod servers;
mod slug;
mod template;
mod url;

pub use description::{Description, DescriptionError, ParameterDescription};
pub use desktop::{Imported, read_desktop};
pub use parameter::{HeaderFormat, Parameter, Place, ValueError};
pub use relays::{Relays, UnknownRelay};
pub use server::{AuthKind, NewTools, Server, ServerKind, Visibility};
pub use servers::{RemoveServerError, ServerError, Servers};
pub use slug::{Slug, SlugError};
pub use template::{Filled, Template, TemplateError};
pub use url::{UrlError, check_url};
