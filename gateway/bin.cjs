#!/usr/bin/env node
// The program of the package: the gateway, on a Node.js that can run it. Every Node.js from 12 on must understand this file, and those that it requires.
'use strict';
const { ensureRuntime } = require('./runtime.cjs');

if (ensureRuntime()) void import('./main.js');
