package remote

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// server is an SSH server on a free port. It runs nothing: it answers each command with a script of the test.
type server struct {
	t       *testing.T
	hostKey string
	port    float64
	answer  func(*call) uint32

	mu    sync.Mutex
	calls []*call
}

// call is one command as the server saw it.
type call struct {
	command     string
	environment map[string]string
	stdin       string
	io.ReadWriter
	stderr io.Writer
}

// clientKey opens every server of these tests.
var clientKey = newKey()

type key struct {
	signer ssh.Signer
	text   string
}

func newKey() key {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		panic(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		panic(err)
	}
	return key{signer, string(pem.EncodeToMemory(block))}
}

func startServer(t *testing.T, answer func(*call) uint32) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	host := newKey()
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, offered ssh.PublicKey) (*ssh.Permissions, error) {
		if string(offered.Marshal()) != string(clientKey.signer.PublicKey().Marshal()) {
			return nil, fmt.Errorf("unknown key")
		}
		return nil, nil
	}}
	config.AddHostKey(host.signer)
	s := &server{
		t:       t,
		hostKey: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(host.signer.PublicKey()))),
		port:    float64(listener.Addr().(*net.TCPAddr).Port),
		answer:  answer,
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed by the cleanup
			}
			go s.serve(conn, config)
		}
	}()
	return s
}

func (s *server) serve(conn net.Conn, config *ssh.ServerConfig) {
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return // the client gave up: wrong host key, wrong key
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		if offered.ChannelType() != "session" {
			_ = offered.Reject(ssh.Prohibited, "no tunnels here")
			continue
		}
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		go s.session(channel, requests)
	}
}

// session accepts the variable ALLOWED and no other.
func (s *server) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	seen := &call{environment: map[string]string{}, ReadWriter: channel, stderr: channel.Stderr()}
	for request := range requests {
		switch request.Type {
		case "env":
			var variable struct{ Name, Value string }
			_ = ssh.Unmarshal(request.Payload, &variable)
			seen.environment[variable.Name] = variable.Value
			_ = request.Reply(variable.Name == "ALLOWED", nil)
		case "exec":
			var exec struct{ Command string }
			_ = ssh.Unmarshal(request.Payload, &exec)
			seen.command = exec.Command
			_ = request.Reply(true, nil)
			go s.finish(channel, seen)
		default:
			_ = request.Reply(false, nil)
		}
	}
}

func (s *server) finish(channel ssh.Channel, seen *call) {
	stdin, _ := io.ReadAll(channel)
	seen.stdin = string(stdin)
	s.mu.Lock()
	s.calls = append(s.calls, seen)
	s.mu.Unlock()
	status := s.answer(seen)
	_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
	_ = channel.Close()
}

// commands lists what the server was asked to run, in order.
func (s *server) commands() (commands []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seen := range s.calls {
		commands = append(commands, seen.command)
	}
	return commands
}
