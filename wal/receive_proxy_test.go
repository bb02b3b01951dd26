package wal

import (
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// proxy stands between a Follow and its server and puts faults into the
// connections: real bytes, a real server, a bad network.
type proxy struct {
	listener net.Listener
	target   string

	mu     sync.Mutex
	budget func() int64 // bytes a new connection may carry from the server; < 0: all
	end    fault
	open   map[net.Conn]bool
	wait   sync.WaitGroup
}

// fault is what happens when a connection's budget is spent.
type fault int

const (
	cutOff  fault = iota // both sides are closed
	swallow              // nothing more is passed on, and nobody is told
)

func newProxy(t testing.TB, config *pgx.ConnConfig) (*proxy, *pgx.ConnConfig) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{
		listener: l, target: net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))),
		budget: func() int64 { return -1 }, open: make(map[net.Conn]bool),
	}
	p.wait.Go(p.serve)
	t.Cleanup(p.close)
	through := config.Copy()
	through.Host, through.Port = "127.0.0.1", uint16(l.Addr().(*net.TCPAddr).Port)
	return p, through
}

// set changes what new connections may carry.
func (p *proxy) set(end fault, budget func() int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.budget, p.end = budget, end
}

// drop closes all connections.
func (p *proxy) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.Close()
	}
}

func (p *proxy) close() {
	p.listener.Close()
	p.drop()
	p.wait.Wait()
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		budget, end := p.budget(), p.end
		p.open[client], p.open[server] = true, true
		p.mu.Unlock()
		p.wait.Go(func() {
			io.Copy(server, client)
			client.Close()
			server.Close()
		})
		p.wait.Go(func() {
			if budget < 0 {
				io.Copy(client, server)
			} else {
				io.CopyN(client, server, budget)
				if end == swallow {
					return
				}
			}
			client.Close()
			server.Close()
		})
	}
}

// randomBudget lets connections live for a random number of bytes from least to most.
func randomBudget(r *rand.Rand, least, most int64) func() int64 {
	return func() int64 { return least + r.Int64N(most-least) }
}
