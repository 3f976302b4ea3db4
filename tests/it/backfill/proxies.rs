//! Do downloads go through proxies, by turns, and around one that fails?

use super::*;
use std::net::SocketAddr;
use tapedeck::{
    exchange::binance::archive::{Cadence, Dataset, Folder},
    net::{HttpClient, Protocol, Proxy, tls::client_config},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// What a proxy was asked, line by line.
type Heard = Arc<Mutex<Vec<String>>>;

/// A proxy for plain HTTP: it reads the request's head, drops the host from its target, and passes bytes on.
async fn http_proxy(upstream: SocketAddr, heard: Heard) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass_on(client, upstream, Arc::clone(&heard)));
        }
    });
    address
}

async fn pass_on(client: TcpStream, upstream: SocketAddr, heard: Heard) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if client.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    heard.lock().expect("whole").push(head.clone());
    let mut server = TcpStream::connect(upstream).await?;
    let direct = head.replacen(&format!("http://{upstream}"), "", 1).replacen("\r\n", "\r\nConnection: close\r\n", 1);
    server.write_all(direct.as_bytes()).await?;
    tokio::io::copy(&mut server, &mut client.into_inner()).await?;
    Ok(())
}

/// A SOCKS 5 proxy that wants no password (RFC 1928).
async fn socks_proxy(heard: Heard) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(connect(client, Arc::clone(&heard)));
        }
    });
    address
}

async fn connect(mut client: TcpStream, heard: Heard) -> std::io::Result<()> {
    let count = {
        client.read_u8().await?;
        client.read_u8().await?
    };
    let mut methods = vec![0; usize::from(count)];
    client.read_exact(&mut methods).await?;
    client.write_all(&[5, 0]).await?;
    let mut request = [0; 4];
    client.read_exact(&mut request).await?;
    let host = match request[3] {
        1 => std::net::Ipv4Addr::from(client.read_u32().await?).to_string(),
        _ => {
            let mut name = vec![0; usize::from(client.read_u8().await?)];
            client.read_exact(&mut name).await?;
            String::from_utf8(name).expect("a name")
        }
    };
    let port = client.read_u16().await?;
    heard.lock().expect("whole").push(format!("{host}:{port}"));
    let mut server = TcpStream::connect((host.as_str(), port)).await?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn downloads_take_turns_through_proxies_and_around_one_that_fails() {
    let exchange = exchange(START);
    let server = sim::Server::bind(Arc::clone(&exchange), "127.0.0.1:0".parse().expect("an address")).await;
    let server = server.expect("a free port");
    let (first, second) = (Heard::default(), Heard::default());
    let http = http_proxy(server.local_addr(), Arc::clone(&first)).await;
    let socks = socks_proxy(Arc::clone(&second)).await;
    let dead = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("bound");
    let tls = client_config(None).expect("a configuration");
    let through = |protocol, address: SocketAddr, credentials| -> (String, Arc<dyn Fetch>) {
        let proxy = Proxy { protocol, host: address.ip().to_string(), port: address.port(), credentials };
        let client = HttpClient::through(&proxy, &tls, &FetchLimits::default()).expect("a client");
        (proxy.to_string(), Arc::new(client))
    };
    let me = Some(("me".to_owned(), "secret".to_owned()));
    let ways = Ways::through(
        through(Protocol::Http, http, me),
        [through(Protocol::Socks5, socks, None), through(Protocol::Http, dead, None)],
    );
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
    let staging = Arc::new(Staging::open(disk).expect("made"));
    let url = format!("http://{}/archive", server.local_addr());
    let options = download::Options { list_url: url.clone(), url, zip_bytes_max: 1 << 30, seed: 1 };
    let host = Host::new(options, ways, staging, Clock::system());
    let folder = Folder::new(symbol(SYMBOL), Dataset::AggTrades, Cadence::Daily).expect("there is one");
    for day in 3..7 {
        let place = folder.place(at(TODAY - day * DAY));
        assert!(host.checksum(&place).await.expect("an answer").is_some());
        let zip = host.zip(&place, &|_| {}).await.expect("an answer").expect("there");
        assert!(zip.len() > 10_000);
    }
    server.stop().await;
    let (first, second) = (first.lock().expect("whole"), second.lock().expect("whole"));
    assert!(first.len() >= 3 && !second.is_empty(), "{} and {}", first.len(), second.len());
    assert!(
        first.iter().all(|head| head.to_lowercase().contains("proxy-authorization: basic bwu6c2vjcmv0")),
        "{first:?}"
    );
}
