//! Publish and subscribe: topics and filters, the router within the process, and the MQTT link.
