-- SPDX-License-Identifier: GPL-3.0-or-later
-- The schema of version 3, as released, with rows. Never edited: tests upgrade from it.
CREATE TABLE jobs ( id TEXT PRIMARY KEY, printer TEXT NOT NULL, name TEXT NOT NULL, file TEXT NOT NULL, task_id TEXT NOT NULL, plate TEXT NOT NULL, started_ms BIGINT NOT NULL, ended_ms BIGINT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, layer INTEGER NOT NULL, layers INTEGER NOT NULL, estimate_s DOUBLE PRECISION, filament_g DOUBLE PRECISION, gcode_path TEXT NOT NULL);
CREATE INDEX jobs_by_printer ON jobs (printer, id);
CREATE INDEX jobs_running ON jobs (outcome) WHERE outcome = 'running';
CREATE TABLE layers ( job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, number INTEGER NOT NULL, printer TEXT NOT NULL, layers INTEGER NOT NULL, z_mm DOUBLE PRECISION, at_us BIGINT NOT NULL, at_ms BIGINT NOT NULL, confidence DOUBLE PRECISION NOT NULL, reason TEXT NOT NULL, is_catching_up INTEGER NOT NULL, PRIMARY KEY (job, number));
CREATE TABLE sessions ( id TEXT PRIMARY KEY, printer TEXT NOT NULL, job TEXT NOT NULL, job_name TEXT NOT NULL, job_file TEXT NOT NULL, task_id TEXT NOT NULL, state TEXT NOT NULL, state_text TEXT NOT NULL, started_ms BIGINT NOT NULL, ended_ms BIGINT NOT NULL, n_frames INTEGER NOT NULL, n_missed INTEGER NOT NULL, layer INTEGER NOT NULL, layers INTEGER NOT NULL, bytes BIGINT NOT NULL, forecast_bytes BIGINT NOT NULL, is_thinned INTEGER NOT NULL, keep_one_in INTEGER NOT NULL, outcome TEXT NOT NULL, wants_film INTEGER NOT NULL, min_frames INTEGER NOT NULL, cameras TEXT NOT NULL, plan_fps DOUBLE PRECISION NOT NULL, plan_duration_s DOUBLE PRECISION NOT NULL, plan_hold_s DOUBLE PRECISION NOT NULL, plan_crf INTEGER NOT NULL, plan_width INTEGER NOT NULL, plan_height INTEGER NOT NULL, plan_preset TEXT NOT NULL, frames_deleted_ms BIGINT NOT NULL);
CREATE INDEX sessions_by_printer ON sessions (printer, id);
CREATE INDEX sessions_unfinished ON sessions (state) WHERE state <> 'done';
CREATE TABLE films ( id TEXT PRIMARY KEY, session TEXT NOT NULL, printer TEXT NOT NULL, camera TEXT NOT NULL, job_name TEXT NOT NULL, file TEXT NOT NULL, poster TEXT NOT NULL, state TEXT NOT NULL, text TEXT NOT NULL, made_ms BIGINT NOT NULL, duration_s DOUBLE PRECISION NOT NULL, fps DOUBLE PRECISION NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, n_frames INTEGER NOT NULL, n_skipped INTEGER NOT NULL, bytes BIGINT NOT NULL, progress_percent INTEGER NOT NULL, plan_fps DOUBLE PRECISION NOT NULL, plan_duration_s DOUBLE PRECISION NOT NULL, plan_hold_s DOUBLE PRECISION NOT NULL, plan_crf INTEGER NOT NULL, plan_width INTEGER NOT NULL, plan_height INTEGER NOT NULL, plan_preset TEXT NOT NULL);
CREATE INDEX films_by_session ON films (session);
CREATE INDEX films_by_printer ON films (printer, id);
CREATE TABLE notices ( id TEXT PRIMARY KEY, at_ms BIGINT NOT NULL, level INTEGER NOT NULL, topic TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE users ( id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE, password_hash TEXT NOT NULL, role TEXT NOT NULL, is_root INTEGER NOT NULL, created_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL, last_seen_ms BIGINT NOT NULL);
CREATE TABLE logins ( token_hash TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE, csrf TEXT NOT NULL, created_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL, address TEXT NOT NULL, agent TEXT NOT NULL, is_remembered INTEGER NOT NULL);
CREATE INDEX logins_by_user ON logins (user_id);
CREATE TABLE api_keys ( id TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE, name TEXT NOT NULL, secret_hash TEXT NOT NULL, scopes TEXT NOT NULL, created_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL, last_used_ms BIGINT NOT NULL, revoked_ms BIGINT NOT NULL);
CREATE TABLE audit ( id INTEGER PRIMARY KEY, at_ms BIGINT NOT NULL, user_name TEXT NOT NULL, address TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE camera_tokens ( id TEXT PRIMARY KEY, camera TEXT NOT NULL, name TEXT NOT NULL, secret_hash TEXT NOT NULL, made_by TEXT NOT NULL, created_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL, last_used_ms BIGINT NOT NULL);

INSERT INTO jobs VALUES ('01JDA0000000000000000JB001','a1','Lid','lid.gcode.3mf','0','',1795257605000,1795261205000,'finished','',57,57,3541.5,12.5,'jobs/01JDA0000000000000000JB001.3mf');
INSERT INTO layers VALUES ('01JDA0000000000000000JB001',1,'a1',57,0.2,5000000,1795257700000,1.0,'reported by the printer',0);
INSERT INTO layers VALUES ('01JDA0000000000000000JB001',2,'a1',57,NULL,65000000,1795257760000,0.7,'inferred',1);
INSERT INTO sessions VALUES ('01JDA0000000000000000SE001','a1','01JDA0000000000000000JB001','Lid','lid.gcode.3mf','0','done','',1795257605000,1795261210000,58,0,57,57,4000000,4100000,0,1,'finished',1,10,'a1-camera',25.0,0.0,2.0,23,0,0,'veryfast',0);
INSERT INTO films VALUES ('01JDA0000000000000000FM001','01JDA0000000000000000SE001','a1','a1-camera','Lid','films/lid.mp4','films/lid.jpg','verified','',1795261212000,4.32,25.0,1920,1080,58,0,900000,100,25.0,0.0,2.0,23,0,0,'veryfast');
INSERT INTO notices VALUES ('01JDA0000000000000000NT001',1795257800000,1,'camera','a1-camera','No picture for 10 seconds.');
INSERT INTO users VALUES ('01JDA0000000000000000VS001','Ada','$argon2id$v=19$m=65536,t=2,p=1$c2FsdHNhbHQ$aGFzaA','admin',1,1795257000000,0,1795257605000);
INSERT INTO logins VALUES ('00ff','01JDA0000000000000000VS001','csrf',1795257605000,1795344005000,'192.0.2.7','Browser',1);
INSERT INTO api_keys VALUES ('k1','01JDA0000000000000000VS001','wall display','00ff','read',1795257605000,0,0,0);
INSERT INTO audit VALUES (1,1795257605000,'Ada','192.0.2.7','login','Ada','signed in');
INSERT INTO settings VALUES ('setup','done');
INSERT INTO camera_tokens VALUES ('01JDA0000000000000000CT001','a1-camera','OctoPrint','00ff','Ada',1795257605000,0,0);
CREATE TABLE captures ( id TEXT PRIMARY KEY, printer TEXT NOT NULL, job TEXT NOT NULL, job_name TEXT NOT NULL, job_file TEXT NOT NULL, job_started_ms BIGINT NOT NULL, layer INTEGER NOT NULL, z_mm DOUBLE PRECISION, trigger_kind TEXT NOT NULL, mode INTEGER NOT NULL, state TEXT NOT NULL, started_ms BIGINT NOT NULL, ended_ms BIGINT NOT NULL, n_points INTEGER NOT NULL, n_done INTEGER NOT NULL, n_pictures INTEGER NOT NULL, paused_s DOUBLE PRECISION NOT NULL, printer_wait_s DOUBLE PRECISION NOT NULL, is_dry_run INTEGER NOT NULL, folder TEXT NOT NULL, metadata TEXT NOT NULL, reason TEXT NOT NULL);
CREATE INDEX captures_by_job ON captures (job, layer);
CREATE INDEX captures_by_printer ON captures (printer, id);
CREATE TABLE capture_pictures ( capture TEXT NOT NULL REFERENCES captures (id) ON DELETE CASCADE, place INTEGER NOT NULL, camera TEXT NOT NULL, file TEXT NOT NULL, thumbnail TEXT NOT NULL, x_mm DOUBLE PRECISION, y_mm DOUBLE PRECISION, z_mm DOUBLE PRECISION, grid_x INTEGER NOT NULL, grid_y INTEGER NOT NULL, grid_z INTEGER NOT NULL, bytes BIGINT NOT NULL, sha256 TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, at_ms BIGINT NOT NULL, is_still INTEGER NOT NULL, PRIMARY KEY (capture, place, camera));
INSERT INTO captures VALUES ('01JD0000000000000000000001','a1','01JC','Benchy','benchy.gcode',1732184405000,3,0.6,'layer',2,'completed',1732184505000,1732184525000,27,27,27,21.5,12.25,0,'captures/2024-11-21','layer_0003_metadata_20241121_102145.json','');
INSERT INTO capture_pictures VALUES ('01JD0000000000000000000001',0,'top','layer_0003_pos_00_z_0_60_20241121_102145.jpg','',105,95,5.6,0,0,0,51234,'00',1920,1080,1732184506000,1);
