//! A plain HTTP client, which can send what is none.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::client::PATIENCE;

/// Where to ask, and as whom.
#[derive(Clone, Debug)]
pub struct Api {
    pub address: SocketAddr,
    pub token: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        let body = String::from_utf8_lossy(&self.body);
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body:?} ({})", self.status))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The value, of an answer with this status.
    #[track_caller]
    pub fn granted(&self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        self.json()
    }

    /// The error, of an answer with this status: it is JSON, with a text and a kind.
    #[track_caller]
    pub fn refused(&self, status: u16, kind: &str) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.headers["content-type"], "application/json");
        let error = self.json();
        assert!(
            error["error"].as_str().is_some_and(|e| !e.is_empty()),
            "{error}"
        );
        assert_eq!(error["kind"], kind, "{error}");
        error
    }
}

impl Api {
    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        let has = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !has("host") {
            head += &format!("Host: {}\r\n", self.address);
        }
        if let Some(token) = self.token.as_ref().filter(|_| !has("authorization")) {
            head += &format!("Authorization: Bearer {token}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends exactly that, and reads what is answered.
    pub fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        // It may be refused before all of it is sent.
        let _ = stream.write_all(bytes);
        Stream::begin(stream).rest()
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut bytes = self.request(method, path, headers).into_bytes();
        bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
        bytes.extend(body);
        self.raw(&bytes)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], b"")
    }

    pub fn put(&self, path: &str, body: &[u8]) -> Answer {
        self.send("PUT", path, &[], body)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &body.to_string())
    }

    pub fn post_text(&self, path: &str, body: &str) -> Answer {
        let json = [("Content-Type", "application/json")];
        self.send("POST", path, &json, body.as_bytes())
    }

    /// Begins to read an answer that goes on.
    pub fn follow(&self, path: &str, headers: &[(&str, &str)]) -> Stream {
        let mut stream = self.connect();
        let head = self.request("GET", path, headers) + "\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let stream = Stream::begin(stream);
        assert_eq!(stream.status, 200);
        stream
    }
}

/// An answer that is being read.
pub struct Stream {
    reader: BufReader<TcpStream>,
    pub status: u16,
    pub headers: HashMap<String, String>,
    /// Bytes of the body that were read, but not given out.
    buffer: Vec<u8>,
    ended: bool,
}

impl Stream {
    fn begin(stream: TcpStream) -> Stream {
        let mut reader = BufReader::new(stream);
        let mut line = || {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let first = line();
        let status = first
            .split(' ')
            .nth(1)
            .unwrap_or_else(|| panic!("no answer: {first:?}"));
        let status = status.parse().unwrap();
        let mut headers = HashMap::new();
        loop {
            let header = line();
            let Some((name, value)) = header.split_once(": ") else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        Stream {
            reader,
            status,
            headers,
            buffer: Vec::new(),
            ended: false,
        }
    }

    /// Reads some more of the body.
    fn more(&mut self) {
        if self.headers.contains_key("transfer-encoding") {
            let mut size = String::new();
            self.reader.read_line(&mut size).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            let mut chunk = vec![0; size + 2];
            // Whoever ends the connection without the last chunk has ended as well.
            self.ended = self.reader.read_exact(&mut chunk).is_err() || size == 0;
            self.buffer.extend(chunk.get(..size).unwrap_or_default());
        } else {
            self.reader.read_to_end(&mut self.buffer).unwrap();
            self.ended = true;
        }
    }

    fn rest(mut self) -> Answer {
        while !self.ended {
            self.more();
        }
        Answer {
            status: self.status,
            headers: self.headers,
            body: self.buffer,
        }
    }

    /// The next line; `None` at the end.
    pub fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=at).collect();
                return Some(String::from_utf8(line).unwrap().trim_end().to_owned());
            }
            if self.ended {
                return None;
            }
            self.more();
        }
    }

    /// The next item of lines of JSON.
    pub fn item(&mut self) -> Option<Value> {
        loop {
            let line = self.line()?;
            if !line.is_empty() {
                return Some(serde_json::from_str(&line).unwrap());
            }
        }
    }

    /// The next server-sent event: its type, id and data.
    pub fn event(&mut self) -> Option<(String, Option<u64>, Value)> {
        let mut event = ("message".to_owned(), None, Value::Null);
        let mut begun = false;
        loop {
            let line = self.line()?;
            match line.split_once(':') {
                Some(("event", kind)) => kind.trim().clone_into(&mut event.0),
                Some(("id", id)) => event.1 = Some(id.trim().parse().unwrap()),
                Some(("data", data)) => {
                    event.2 = serde_json::from_str(data).unwrap();
                    begun = true;
                }
                _ if line.is_empty() && begun => return Some(event),
                _ => {}
            }
        }
    }
}
