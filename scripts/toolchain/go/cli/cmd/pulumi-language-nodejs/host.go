package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/emptypb"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// version is set by the linker.
var version = "0.0.0"

// The exit status by which the npm package says that it has told the user what is wrong.
const toldAlready = 32

// host serves what `pulumi up`, `preview`, `refresh` and `destroy` ask of a language host; all else is not implemented.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	ctx    context.Context
	engine string
}

func (h *host) Handshake(_ context.Context, req *pulumirpc.LanguageHandshakeRequest) (*pulumirpc.LanguageHandshakeResponse, error) {
	h.engine = req.EngineAddress
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version}, nil
}

func (h *host) GetRequiredPackages(_ context.Context, req *pulumirpc.GetRequiredPackagesRequest) (*pulumirpc.GetRequiredPackagesResponse, error) {
	packages, err := requiredPackages(req.GetInfo().GetProgramDirectory())
	return &pulumirpc.GetRequiredPackagesResponse{Packages: packages}, err
}

// Run runs the program to its end. What the program prints goes where the engine reads it: this host's own stdout and stderr.
func (h *host) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	options := optionsOf(req.GetInfo())
	runner, err := resolve(req.GetInfo().GetProgramDirectory(), "node_modules/@pulumi/pulumi/cmd/run/index.js")
	if err != nil {
		return &pulumirpc.RunResponse{Error: err.Error()}, nil
	}
	environment, err := programEnvironment(os.Environ(), req, options)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.ctx, cancel)()
	node := exec.CommandContext(ctx, "node", append(append(options.nodeArgs, runner), programArguments(req, h.engine)...)...)
	node.Env = environment
	node.Dir = req.Pwd
	node.Stdout = os.Stdout
	node.Stderr = os.Stderr
	return outcome(node.Run()), nil
}

func outcome(err error) *pulumirpc.RunResponse {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}
	case !errors.As(err, &exit):
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("node could not be started: %v. Is Node.js on PATH?", err)}
	case exit.ExitCode() == toldAlready:
		return &pulumirpc.RunResponse{Bail: true}
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the program ended with %v", exit)}
	}
}

// options of the runtime, as Pulumi.yaml has them.
type options struct {
	nodeArgs   []string
	typeScript bool
}

func optionsOf(info *pulumirpc.ProgramInfo) options {
	given := info.GetOptions().AsMap()
	read := options{typeScript: true}
	if value, ok := given["typescript"].(bool); ok {
		read.typeScript = value
	}
	if value, ok := given["nodeargs"].(string); ok {
		read.nodeArgs = strings.Fields(value)
	}
	return read
}

// What @pulumi/pulumi's cmd/run takes; its own usage text names each.
func programArguments(req *pulumirpc.RunRequest, engine string) []string {
	args := []string{
		"--monitor", req.MonitorAddress,
		"--engine", engine,
		"--organization", req.Organization,
		"--project", req.Project,
		"--stack", req.Stack,
		"--root-directory", req.GetInfo().GetRootDirectory(),
		"--pwd", req.GetInfo().GetProgramDirectory(),
	}
	if req.DryRun {
		args = append(args, "--dry-run")
	}
	if req.Parallel > 0 {
		args = append(args, "--parallel", strconv.Itoa(int(req.Parallel)))
	}
	return append(append(args, req.GetInfo().GetEntryPoint()), req.Args...)
}

func programEnvironment(base []string, req *pulumirpc.RunRequest, options options) ([]string, error) {
	config, err := json.Marshal(orEmpty(req.Config))
	if err != nil {
		return nil, err
	}
	secretKeys, err := json.Marshal(append([]string{}, req.ConfigSecretKeys...))
	if err != nil {
		return nil, err
	}
	return append(append([]string{}, base...),
		"PULUMI_CONFIG="+string(config),
		"PULUMI_CONFIG_SECRET_KEYS="+string(secretKeys),
		"PULUMI_NODEJS_TYPESCRIPT="+strconv.FormatBool(options.typeScript),
	), nil
}

func orEmpty(config map[string]string) map[string]string {
	if config == nil {
		return map[string]string{}
	}
	return config
}

// resolve finds a file as Node finds a package: in the directory itself, then in each one above it.
func resolve(directory, path string) (string, error) {
	for at := directory; ; at = filepath.Dir(at) {
		file := filepath.Join(at, path)
		if _, err := os.Stat(file); err == nil {
			return file, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%s is neither in %s nor above it: run npm ci there", path, directory)
		}
	}
}
