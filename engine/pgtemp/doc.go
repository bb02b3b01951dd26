// Package pgtemp runs throwaway PostgreSQL servers: for tests, the demo, benchmarks and restore drills.
//
// FindServer looks for the server's programs on this machine and, where there are none, fetches them once into a
// cache. Start makes a new cluster with initdb and runs `postgres` itself as a child process, without pg_ctl, so
// that the server is known by its process: it can be killed with all its backends in one stroke (Kill), started
// again over what that left (Restart), and on Linux it dies with the program that started it.
//
// PostgreSQL refuses to run as root. Under root the programs run as the user postgres, or as user id 65534 where
// there is none, and the cluster's folder belongs to that user.
//
// The servers trust every local connection and listen on 127.0.0.1 only. They are no place for data worth keeping.
package pgtemp
