package remote

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	provider "github.com/pulumi/pulumi-go-provider"
	"golang.org/x/crypto/ssh"
)

// Waits between two attempts: the first, the factor from one to the next, the longest.
const (
	firstWait   = 100 * time.Millisecond
	waitFactor  = 1.5
	longestWait = 5 * time.Second
)

// dial logs in to the host, through the proxy if there is one. Nobody ever closes the connection: it lives as long as
// the plugin, as the published plugin's does.
func (c *Connection) dial(ctx context.Context) (*ssh.Client, error) {
	config, err := c.clientConfig()
	if err != nil {
		return nil, err
	}
	limit := c.dialErrorLimit()
	if c.Proxy == nil {
		return persist(ctx, "Dial", limit, func() (*ssh.Client, error) {
			return ssh.Dial("tcp", c.address(), config)
		})
	}
	client, err := c.dialThroughProxy(ctx, config, limit)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return client, nil
}

func (c *Connection) dialThroughProxy(ctx context.Context, config *ssh.ClientConfig, limit int) (*ssh.Client, error) {
	proxyConfig, err := c.Proxy.clientConfig()
	if err != nil {
		return nil, err
	}
	proxy, err := persist(ctx, "Dial proxy", c.Proxy.dialErrorLimit(), func() (*ssh.Client, error) {
		return ssh.Dial("tcp", c.Proxy.address(), proxyConfig)
	})
	if err != nil {
		return nil, err
	}
	conn, err := persist(ctx, "Dial from proxy", limit, func() (net.Conn, error) {
		return proxy.Dial("tcp", c.address())
	})
	if err != nil {
		return nil, err
	}
	// A second attempt finds the connection spent by the first; the published plugin tries all the same.
	return persist(ctx, "Dial", limit, func() (*ssh.Client, error) {
		host, channels, requests, err := ssh.NewClientConn(conn, c.address(), config)
		if err != nil {
			return nil, err
		}
		return ssh.NewClient(host, channels, requests), nil
	})
}

// persist repeats an attempt until it succeeds, more than limit attempts have failed, or the context ends.
func persist[T any](ctx context.Context, label string, limit int, attempt func() (T, error)) (result T, err error) {
	wait := firstWait
	for failed := 1; ; failed++ {
		if result, err = attempt(); err == nil {
			return result, nil
		}
		if limit > unlimited && failed > limit {
			return result, fmt.Errorf("after %d failed attempts: %w", failed-1, err)
		}
		provider.GetLogger(ctx).InfoStatusf("%s %d/%s failed: retrying", label, failed, limitText(limit))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return result, ctx.Err()
		}
		wait = min(time.Duration(float64(wait)*waitFactor), longestWait)
	}
}

func limitText(limit int) string {
	if limit == unlimited {
		return "inf"
	}
	return strconv.Itoa(limit)
}
