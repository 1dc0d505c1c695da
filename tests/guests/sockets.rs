//! Imports the network, which no plugin gets.

#[backplane_sdk::plugin]
mod sockets {
    use std::net::TcpStream;

    use backplane_sdk::prelude::*;

    /// Connects to the host's own port.
    #[get("/{port}", public)]
    fn connect(Path(port): Path<u16>) -> Result<String> {
        Ok(TcpStream::connect(("127.0.0.1", port))?.peer_addr()?.to_string())
    }
}
