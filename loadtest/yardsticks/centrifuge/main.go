// A server on the library that Centrifugo is built on, for where Centrifugo itself cannot be had. It takes the same configuration
// file and answers the same requests, so far as the benchmarks use them. Clients may do what they like, as in the gateway that is
// measured beside it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/centrifugal/centrifuge"
)

const (
	historySize = 10_000
	historyTTL  = time.Hour
)

type configuration struct {
	HTTPServer struct {
		Address string `json:"address"`
		Port    string `json:"port"`
	} `json:"http_server"`
	Engine struct {
		Redis struct {
			Address string `json:"address"`
		} `json:"redis"`
	} `json:"engine"`
}

type publish struct {
	Channel string          `json:"channel"`
	Data    json.RawMessage `json:"data"`
}

func main() {
	file := flag.String("config", "", "a configuration file of Centrifugo 6")
	flag.Parse()
	if flag.Arg(0) == "version" {
		fmt.Println(version())
		return
	}
	if err := serve(*file); err != nil {
		log.Fatal(err)
	}
}

func serve(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var config configuration
	if err := json.Unmarshal(text, &config); err != nil {
		return err
	}
	node, err := newNode(config.Engine.Redis.Address)
	if err != nil {
		return err
	}
	socket := centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		CheckOrigin: func(*http.Request) bool { return true },
		// The load client answers no pings.
		PingPongConfig: centrifuge.PingPongConfig{PingInterval: -1, PongTimeout: -1},
	})
	http.Handle("/connection/websocket", anonymous(socket))
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
	http.HandleFunc("/api/publish", func(w http.ResponseWriter, r *http.Request) {
		var one publish
		answer(w, json.NewDecoder(r.Body).Decode(&one), func() error { return store(node, one) })
	})
	http.HandleFunc("/api/batch", func(w http.ResponseWriter, r *http.Request) {
		var batch struct {
			Commands []struct {
				Publish publish `json:"publish"`
			} `json:"commands"`
		}
		answer(w, json.NewDecoder(r.Body).Decode(&batch), func() error {
			for _, command := range batch.Commands {
				// One after the other: order is what a channel has.
				if err := store(node, command.Publish); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return http.ListenAndServe(net.JoinHostPort(config.HTTPServer.Address, config.HTTPServer.Port), nil)
}

func newNode(redisURL string) (*centrifuge.Node, error) {
	node, err := centrifuge.New(centrifuge.Config{ClientChannelLimit: 10_000})
	if err != nil {
		return nil, err
	}
	shard, err := centrifuge.NewRedisShard(node, centrifuge.RedisShardConfig{Address: redisURL})
	if err != nil {
		return nil, err
	}
	shards := []*centrifuge.RedisShard{shard}
	broker, err := centrifuge.NewRedisBroker(node, centrifuge.RedisBrokerConfig{Shards: shards})
	if err != nil {
		return nil, err
	}
	presence, err := centrifuge.NewRedisPresenceManager(node, centrifuge.RedisPresenceManagerConfig{Shards: shards})
	if err != nil {
		return nil, err
	}
	node.SetBroker(broker)
	node.SetPresenceManager(presence)
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnSubscribe(func(e centrifuge.SubscribeEvent, done centrifuge.SubscribeCallback) {
			members := len(e.Channel) > 8 && e.Channel[:8] == "members:"
			options := centrifuge.SubscribeOptions{EnableRecovery: true, EmitPresence: members, EmitJoinLeave: members}
			done(centrifuge.SubscribeReply{Options: options}, nil)
		})
		client.OnPublish(func(e centrifuge.PublishEvent, done centrifuge.PublishCallback) {
			done(centrifuge.PublishReply{Options: centrifuge.PublishOptions{HistorySize: historySize, HistoryTTL: historyTTL}}, nil)
		})
	})
	return node, node.Run()
}

func store(node *centrifuge.Node, one publish) error {
	_, err := node.Publish(one.Channel, one.Data, centrifuge.WithHistory(historySize, historyTTL))
	return err
}

func answer(w http.ResponseWriter, err error, do func() error) {
	if err == nil {
		err = do()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprint(w, "{}")
}

func anonymous(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		context := centrifuge.SetCredentials(context.Background(), &centrifuge.Credentials{})
		next.ServeHTTP(w, r.WithContext(context))
	})
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/centrifugal/centrifuge" {
				return "centrifuge " + module.Version + " (library)"
			}
		}
	}
	return "centrifuge (library)"
}
