//! What goes over the wire: the messages and topics of ARTS. No I/O.
